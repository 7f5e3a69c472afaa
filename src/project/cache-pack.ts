import {
  type Compression,
  type LayeredValue,
  OutcomeLost,
  type Solved,
  unseenSource,
} from "../build/index.ts";
import { type LayerRecord, layerMediaType, writeLayer } from "../image/index.ts";
import { type Digest, digestOfJson, gzip, isDigest, zstd } from "../io/index.ts";
import { type JsonValue, openCache } from "../store/index.ts";
import type { CacheHome } from "./cache-place.ts";
import type { PackedLayer } from "./cache-stacks.ts";

/** A blob that was compressed. */
export interface PackedBlob {
  readonly digest: Digest;
  readonly size: number;
}

/** Compresses what a command left, once: the store remembers what it came to. */
export async function packedForm(
  tar: Digest,
  compression: Compression,
  { store, signal }: CacheHome,
): Promise<PackedBlob | undefined> {
  const memory = openCache(store.directory);
  const key = digestOfJson({ packed: tar, compression });
  const known = (await memory.get(key)) as { digest?: unknown; size?: unknown } | undefined;
  if (typeof known?.digest === "string" && isDigest(known.digest) && (await store.has(known.digest))) {
    return { digest: known.digest, size: Number(known.size) };
  }
  const content = await store.content(tar);
  if (content === undefined) return undefined;
  if (compression.type === "none") return { digest: tar, size: content.size };
  const options = { signal, ...(compression.level === undefined ? {} : { level: compression.level }) };
  const bytes = compression.type === "gzip" ? gzip(content.open(), options) : zstd(content.open(), options);
  const about = await store.add(bytes);
  await memory.set(key, about, { blobs: [about.digest] });
  return about;
}

/**
 * The layer of what a step changed that no image has as a layer, written once.
 *
 * @returns undefined where the changes are not to be had
 */
export async function packedChanges(
  solved: Solved,
  compression: Compression,
  home: CacheHome,
): Promise<PackedLayer | undefined> {
  const mediaType = layerMediaType(compression);
  const diffId = tarOf(solved);
  if (diffId !== undefined) {
    const about = await packedForm(diffId, compression, home);
    return about === undefined ? undefined : { descriptor: { mediaType, ...about }, diffId };
  }
  const { store } = home;
  const memory = openCache(store.directory);
  const key = digestOfJson({ changed: solved.key, compression });
  const known = knownLayer(await memory.get(key));
  if (known !== undefined && (await store.has(known.digest))) {
    const { digest, size } = known;
    return { descriptor: { mediaType, digest, size }, diffId: known.diffId };
  }
  const layer = await writtenChanges(solved, compression, home);
  if (layer === undefined) return undefined;
  const { digest, size } = layer.descriptor;
  await memory.set(key, { digest, size, diffId: layer.diffId }, { blobs: [digest] });
  return { descriptor: { mediaType, digest, size }, diffId: layer.diffId };
}

async function writtenChanges(
  solved: Solved,
  compression: Compression,
  { store, progress, signal }: CacheHome,
): Promise<LayerRecord | undefined> {
  if (unseenSource(solved) !== undefined) return undefined;
  try {
    const { changes } = await solved.value<Partial<LayeredValue>>();
    if (changes === undefined) return undefined;
    return await writeLayer(changes, store, { compression, work: { progress, signal } });
  } catch (error) {
    // What it stands on was believed and is not there; a cache is no reason to make it again.
    if (error instanceof OutcomeLost) return undefined;
    throw error;
  }
}

/** The unpacked layer that a command left. */
function tarOf({ record }: Solved): Digest | undefined {
  const { tar } = (record ?? {}) as { readonly tar?: { readonly digest?: unknown } };
  return typeof tar?.digest === "string" && isDigest(tar.digest) ? tar.digest : undefined;
}

function knownLayer(value: JsonValue | undefined): (PackedBlob & { readonly diffId: Digest }) | undefined {
  const { digest, size, diffId } = (value ?? {}) as Record<string, unknown>;
  if (typeof digest !== "string" || !isDigest(digest) || typeof size !== "number") return undefined;
  return typeof diffId === "string" && isDigest(diffId) ? { digest, size, diffId } : undefined;
}
