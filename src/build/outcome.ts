import { isDigest } from "../io/index.ts";
import type { Outcome } from "./graph.ts";

/** An outcome as it comes from a file; anything else counts as nothing. */
export function asOutcome(value: unknown): Outcome | undefined {
  if (value === null || typeof value !== "object") return undefined;
  const { digest, record, blobs } = value as Partial<Outcome>;
  if (typeof digest !== "string" || !isDigest(digest) || record === undefined) return undefined;
  if (blobs === undefined) return { digest, record };
  return Array.isArray(blobs) && blobs.every((blob) => typeof blob === "string" && isDigest(blob))
    ? { digest, record, blobs }
    : undefined;
}
