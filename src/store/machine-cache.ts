import { readdir, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Work } from "../io/index.ts";

/** A kind of thing in the cache directory; bytes are those of files, not of disk blocks. */
export interface CachePart {
  readonly name: string;
  readonly files: number;
  readonly bytes: number;
}

export interface TidyOptions {
  /** Only tell what would go. */
  readonly dryRun?: boolean;
  /** What was of no use for so many milliseconds goes (default 30 days). */
  readonly keepFor?: number;
  /** While there is more, what was of use longest ago goes (default 10 GiB). */
  readonly keepBytes?: number;
}

/** What tidying deleted, or would have deleted. */
export interface Tidied {
  readonly files: number;
  readonly bytes: number;
}

const hour = 60 * 60 * 1000;
const usual = { keepFor: 30 * 24 * hour, keepBytes: 10 * 1024 ** 3 };

// What is made or fetched again when it is missing, one file at a time. The state of releases is not among them: it
// keeps a mirror from serving an older one.
const parts: readonly { readonly name: string; readonly places: readonly string[] }[] = [
  { name: "downloaded packages", places: ["debian/packages"] },
  { name: "package indexes", places: ["debian/indexes", "debian/compiled", "debian/derived"] },
  { name: "unpacked packages", places: ["debian/unpacked"] },
  { name: "compressed blocks", places: ["deflated"] },
  { name: "compiled code and notes", places: ["compiled", "recipes", "stamps", "members"] },
];

/** What the cache directory of a person holds, snapshots of images as far as they state their size. */
export async function measureMachineCache(directory: string): Promise<CachePart[]> {
  const measured: CachePart[] = [];
  for (const { name, places } of parts) {
    let [files, bytes] = [0, 0];
    for (const place of places) {
      for await (const { size } of filesBelow(join(directory, place))) {
        files += 1;
        bytes += size;
      }
    }
    measured.push({ name, files, bytes });
  }
  const snapshots = join(directory, "snapshots");
  let [files, bytes] = [0, 0];
  for (const name of await namesIn(snapshots)) {
    const size = Number(await readFile(join(snapshots, name, "size"), "utf8").catch(() => "NaN"));
    if (!Number.isFinite(size)) continue;
    files += 1;
    bytes += size;
  }
  return [...measured, { name: "snapshots", files, bytes }];
}

/**
 * Deletes what was of no use for long, and beyond a size what was of use longest ago. A file counts as used when it was
 * written or read, as far as the file system notes that (mount(8), relatime). What was of use within the hour stays,
 * because a build may be about to read it.
 */
export async function tidyMachineCache(
  directory: string,
  work: Work,
  options: TidyOptions = {},
): Promise<Tidied> {
  const { dryRun = false, keepFor, keepBytes } = { ...usual, ...options };
  const found: CacheFile[] = [];
  for (const place of parts.flatMap(({ places }) => places)) {
    for await (const file of filesBelow(join(directory, place))) found.push(file);
    work.signal.throwIfAborted();
  }
  found.sort((a, b) => a.used - b.used || (a.path < b.path ? -1 : 1));
  const now = Date.now();
  let left = found.reduce((sum, { size }) => sum + size, 0);
  let [files, bytes] = [0, 0];
  for (const { path, size, used } of found) {
    const old = used < now - (isUnfinished(path) ? Math.min(keepFor, 24 * hour) : keepFor);
    if ((!old && left <= keepBytes) || used > now - hour) continue;
    work.signal.throwIfAborted();
    // Somebody else may tidy up at the same time, or it belongs to somebody else.
    if (!dryRun && !(await unlink(path).then(done, notDone))) continue;
    left -= size;
    files += 1;
    bytes += size;
  }
  return { files, bytes };
}

interface CacheFile {
  readonly path: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly used: number;
}

const done = (): boolean => true;
const notDone = (): boolean => false;

/** What a process that was killed left of a download or of a file that it wrote. */
function isUnfinished(path: string): boolean {
  return /\.(part|tmp)$/.test(path);
}

async function* filesBelow(directory: string): AsyncGenerator<CacheFile, void, undefined> {
  for (const name of await namesIn(directory)) {
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory() === true) yield* filesBelow(path);
    else if (found?.isFile() === true) {
      yield { path, size: found.size, used: Math.max(found.mtimeMs, found.atimeMs) };
    }
  }
}

async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(() => [])).sort();
}
