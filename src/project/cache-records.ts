import type { Outcome } from "../build/index.ts";
import { type Digest, isDigest } from "../io/index.ts";
import { asOutcome } from "./outcomes.ts";

/** What an exported cache is in its layout. */
export const cacheTypes = {
  artifact: "application/vnd.whittle.cache.v1+json",
  records: "application/vnd.whittle.cache.records.v1+json",
  blob: "application/octet-stream",
} as const;

/** The name of a cache in its layout. */
export function cacheName(tag = "latest"): string {
  return `cache:${tag}`;
}

/** An outcome with the key of the step that came to it. */
export interface CacheRecord {
  readonly key: Digest;
  readonly outcome: Outcome;
}

/** Records as the bytes of their blob, in the order of their keys. */
export function serializeRecords(records: readonly CacheRecord[]): Buffer {
  const sorted = [...records].sort((a, b) => (a.key < b.key ? -1 : 1));
  return Buffer.from(`${JSON.stringify({ version: 1, records: sorted })}\n`, "utf8");
}

/**
 * The inverse. What is not a record is left out: it is a miss.
 *
 * @throws SyntaxError when the text is no JSON
 */
export function parseRecords(text: string): CacheRecord[] {
  const value = JSON.parse(text) as { version?: unknown; records?: unknown } | null;
  if (value?.version !== 1 || !Array.isArray(value.records)) return [];
  return value.records.flatMap((one: { key?: unknown; outcome?: unknown } | null) => {
    const outcome = asOutcome(one?.outcome);
    return outcome !== undefined && typeof one?.key === "string" && isDigest(one.key)
      ? [{ key: one.key, outcome }]
      : [];
  });
}

/** The layer that an outcome tells of, if it is one of a layer: its packed and its unpacked form. */
export function layerOf({
  record,
}: Outcome): { readonly packed: Digest; readonly unpacked: Digest } | undefined {
  const { descriptor, diffId } = (record ?? {}) as { descriptor?: { digest?: unknown }; diffId?: unknown };
  const packed = descriptor?.digest;
  if (typeof packed !== "string" || !isDigest(packed)) return undefined;
  return typeof diffId === "string" && isDigest(diffId) ? { packed, unpacked: diffId } : undefined;
}
