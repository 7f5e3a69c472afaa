import type { Solver } from "../build/index.ts";
import { type Descriptor, mediaTypes, serializeDocument, writeBlob } from "../image/index.ts";
import type { Digest, Work } from "../io/index.ts";
import { openStore, type Store } from "../store/index.ts";
import { type CacheRecord, cacheName, cacheTypes, layerOf, serializeRecords } from "./cache-records.ts";

/** Where a build's cache goes. */
export interface CacheTarget {
  /** Absolute path. */
  readonly directory: string;
  readonly tag?: string;
  /** `min`: the layers of the image; `max`: whatever any step came to. Both know of every step. */
  readonly mode: "min" | "max";
}

// What these come to is made of the others' records in no time, and names blobs that nothing else would carry.
const notWorthIt: ReadonlySet<string> = new Set(["assemble", "image", "index", "reasons"]);

/**
 * Writes what a build's steps came to into an image layout, so that another machine need not run them. A cache that
 * was there under the same tag is replaced.
 *
 * @throws WhittleError `DISK_FULL`, `PERMISSION`, `STORE_INVALID` when the directory is something else
 */
export async function exportCache(
  solver: Solver,
  store: Store,
  { directory, tag, mode }: CacheTarget,
  work: Work,
): Promise<void> {
  const target = await openStore(directory, { create: true });
  const { records, blobs } = await worthKeeping(solver, mode);
  const layers: Descriptor[] = [];
  for (const digest of [...blobs].sort()) {
    work.signal.throwIfAborted();
    const content = await store.content(digest);
    if (content === undefined) continue;
    await target.add(content.open(), { digest, size: content.size });
    layers.push({ mediaType: cacheTypes.blob, digest, size: content.size });
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    artifactType: cacheTypes.artifact,
    config: await writeBlob(target, mediaTypes.empty, Buffer.from("{}")),
    layers: [await writeBlob(target, cacheTypes.records, serializeRecords(records)), ...layers],
  } as const;
  const descriptor = await writeBlob(target, mediaTypes.manifest, serializeDocument(manifest));
  await target.tag(cacheName(tag), { ...descriptor, artifactType: cacheTypes.artifact });
  await target.gc(work);
}

async function worthKeeping(
  solver: Solver,
  mode: CacheTarget["mode"],
): Promise<{ readonly records: readonly CacheRecord[]; readonly blobs: ReadonlySet<Digest> }> {
  const records = new Map<Digest, CacheRecord>();
  const blobs = new Set<Digest>();
  const lazy = new Set<Digest>();
  for await (const { executor, key, digest, record, blobs: named = [] } of solver.solved()) {
    if (!executor.cached || notWorthIt.has(executor.kind)) continue;
    records.set(key, { key, outcome: { digest, record, blobs: named } });
    for (const blob of named) (executor.lazy === true ? lazy : blobs).add(blob);
  }
  if (mode === "max") {
    // What is there as a packed layer can be unpacked again.
    const unpacked = new Set([...records.values()].map(({ outcome }) => layerOf(outcome)?.unpacked));
    for (const blob of lazy) if (!unpacked.has(blob)) blobs.add(blob);
  }
  return { records: [...records.values()], blobs };
}
