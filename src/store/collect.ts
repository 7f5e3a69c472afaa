import { readdir, rm, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { childrenOf, type Descriptor, type Index, readManifest } from "../image/index.ts";
import { type Digest, isDigest, isRunning, type Work } from "../io/index.ts";
import type { BlobDirectory, StoredBlob } from "./blobs.ts";
import { type CacheRecord, cacheRecords, unpackedLayersDirectory } from "./cache.ts";
import { describe } from "./find.ts";
import { layoutIndexText, readLayoutIndex, refNameAnnotation, replaceFile } from "./layout.ts";
import { leased, sweepLeases, whileNobodyLeases } from "./leases.ts";
import { emptyWhenMissing } from "./missing.ts";
import { isHeld, nameless } from "./names.ts";

export interface CollectOptions {
  /** Only tell what would go. */
  readonly dryRun?: boolean;
  /** Blobs and unfinished files younger than so many milliseconds stay (default one hour): somebody may be about to name them. */
  readonly keepYoungerThan?: number;
  /** Cache records that were of no use for so many milliseconds go, with what only they keep (default 30 days). */
  readonly keepCacheFor?: number;
  /** Look at these blobs only, whatever their age, and forget the cache records that keep them. */
  readonly among?: ReadonlySet<string>;
}

/** What garbage collection deleted, or would have deleted. */
export interface Collected {
  readonly removed: readonly Digest[];
  /** Of blobs, cache records and unfinished files together. */
  readonly bytes: number;
  /** Attached manifests whose subject is gone. */
  readonly detached: number;
  readonly cacheRecords: number;
}

const hour = 60 * 60 * 1000;
// Nobody can take a lease while so many blobs are deleted.
const mostAtOnce = 64;

/**
 * Deletes blobs to which no name, no referrer of a named image, no lease and no cache record leads. The caller holds
 * the store's lock, so no name can appear meanwhile; leases can, and are looked at again before anything goes.
 */
export async function collect(
  directory: string,
  blobs: BlobDirectory,
  work: Work,
  options: CollectOptions,
): Promise<Collected> {
  const id = "store gc";
  work.progress({ kind: "start", id, label: `collect garbage in ${directory}` });
  const dryRun = options.dryRun === true;
  const now = Date.now();
  const { among } = options;
  const youngest = among === undefined ? now - (options.keepYoungerThan ?? hour) : Number.POSITIVE_INFINITY;
  const index = await readLayoutIndex(directory);
  const keep = new Set<string>();
  const dead = await mark(index, blobs, keep, youngest);
  const useless = (record: CacheRecord): boolean =>
    among === undefined
      ? record.used < now - (options.keepCacheFor ?? 30 * 24 * hour)
      : record.blobs.some((digest) => among.has(digest) && !keep.has(digest));
  const records = await sweepCache(directory, blobs, keep, useless, dryRun);
  if (dead.size > 0 && !dryRun) {
    const entries = index.manifests.filter((entry) => !dead.has(entry));
    await replaceFile(join(directory, "index.json"), layoutIndexText(entries), join(directory, "tmp"));
  }
  await markLeased(await leased(directory), blobs, keep);
  const removed: Digest[] = [];
  let bytes = records.bytes;
  const sweep = async (batch: readonly StoredBlob[]): Promise<void> =>
    whileNobodyLeases(directory, async (now) => {
      await markLeased(now, blobs, keep);
      for (const { digest, size } of batch) {
        if (keep.has(digest)) continue;
        if (!dryRun) await blobs.remove(digest);
        removed.push(digest);
        bytes += size;
      }
    });
  let batch: StoredBlob[] = [];
  for await (const blob of blobs.stored()) {
    work.signal.throwIfAborted();
    if (keep.has(blob.digest) || blob.modified > youngest || among?.has(blob.digest) === false) continue;
    if (batch.push(blob) < mostAtOnce) continue;
    await sweep(batch);
    batch = [];
  }
  if (batch.length > 0) await sweep(batch);
  if (among === undefined) {
    if (!dryRun) await sweepLeases(directory);
    bytes += await sweepFiles(join(directory, "tmp"), youngest, dryRun, isBeingWritten);
    // Unpacked layers can be made again, but whoever opened one may still be reading it.
    bytes += await sweepFiles(unpackedLayersDirectory(directory), youngest - 24 * hour, dryRun);
  }
  work.progress({ kind: "done", id, outcome: "done" });
  return { removed, bytes, detached: dead.size, cacheRecords: records.count };
}

/** Marks what names lead to, then what is attached to that, then what is attached to those; answers with the rest. */
async function mark(
  index: Index,
  blobs: BlobDirectory,
  keep: Set<string>,
  youngest: number,
): Promise<Set<Descriptor>> {
  for (const entry of index.manifests) {
    if (entry.annotations?.[refNameAnnotation] !== undefined || isHeld(entry))
      await markFrom(entry, blobs, keep);
  }
  const waiting = new Map<Descriptor, string>();
  for (const { entry, subject } of nameless(index)) {
    if (isHeld(entry)) continue;
    const of = subject ?? (await readManifest(blobs, entry).catch(() => undefined))?.subject?.digest;
    // An entry without a name and without a subject was put there by another tool; it is not ours to judge.
    if (of === undefined) await markFrom(entry, blobs, keep);
    else waiting.set(entry, of);
  }
  for (let again = true; again; ) {
    again = false;
    for (const [entry, subject] of waiting) {
      // A young subject may be named at any moment, and would miss what was attached to it.
      if (!keep.has(subject) && !(await isYoung(blobs, subject, youngest))) continue;
      await markFrom(entry, blobs, keep);
      waiting.delete(entry);
      again = true;
    }
  }
  return new Set(waiting.keys());
}

/** Marks what somebody is about to name or is being sent, with what it leads to. */
async function markLeased(
  digests: ReadonlySet<Digest>,
  blobs: BlobDirectory,
  keep: Set<string>,
): Promise<void> {
  for (const digest of digests) if (!keep.has(digest)) await markUnnamed(digest, blobs, keep);
}

async function markUnnamed(digest: Digest, blobs: BlobDirectory, keep: Set<string>): Promise<void> {
  const about = await describe(blobs, digest);
  if (about === undefined) keep.add(digest);
  else await markFrom(about, blobs, keep);
}

async function isYoung(blobs: BlobDirectory, digest: string, youngest: number): Promise<boolean> {
  return isDigest(digest) && ((await blobs.modified(digest)) ?? Number.NEGATIVE_INFINITY) > youngest;
}

async function markFrom(descriptor: Descriptor, blobs: BlobDirectory, keep: Set<string>): Promise<void> {
  if (keep.has(descriptor.digest)) return;
  keep.add(descriptor.digest);
  // A damaged document leads nowhere, but must not hide what its siblings lead to; `verify` reports it.
  for (const child of await childrenOf(blobs, descriptor).catch(() => [])) await markFrom(child, blobs, keep);
}

async function sweepCache(
  directory: string,
  blobs: BlobDirectory,
  keep: Set<string>,
  useless: (record: CacheRecord) => boolean,
  dryRun: boolean,
): Promise<{ count: number; bytes: number }> {
  let count = 0;
  let bytes = 0;
  for await (const record of cacheRecords(directory)) {
    if (useless(record)) {
      if (!dryRun) await unlink(record.path).catch(() => undefined);
      count += 1;
      bytes += record.size;
      continue;
    }
    for (const digest of record.blobs) {
      if (!keep.has(digest)) await markUnnamed(digest, blobs, keep);
    }
  }
  return { count, bytes };
}

/** Files that nobody has touched for a while, but for those that are spared. */
async function sweepFiles(
  directory: string,
  youngest: number,
  dryRun: boolean,
  spare: (name: string) => boolean = () => false,
): Promise<number> {
  let bytes = 0;
  for (const name of (await readdir(directory).catch(emptyWhenMissing)).sort()) {
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || found.mtimeMs > youngest || spare(name)) continue;
    if (!dryRun) await rm(path, { recursive: true, force: true });
    bytes += found.size;
  }
  return bytes;
}

/** An unfinished file has its process in its name: as long as that lives, the file may become a blob. */
function isBeingWritten(name: string): boolean {
  const [, pid] = /^(?:blob|file)-(\d+)-/.exec(name) ?? [];
  return pid !== undefined && isRunning(Number(pid));
}
