import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  cacheDirectory,
  type Digest,
  digestHex,
  type Environment,
  makeDirectories,
  thisProcess,
  type Work,
  withLock,
} from "../io/index.ts";
import type { Privilege } from "./privilege.ts";

/** A whole file tree, or a directory for an overlay that holds what one layer changes. */
export type SnapshotKind = "tree" | "layer";

/**
 * Where snapshots are kept; each is a directory with the files in `rootfs` and, in `size`, how many bytes they take;
 * `boot`, while it is there, says in which run of the machine it was made.
 */
export function snapshotsDirectory(environment: Environment): string {
  return join(cacheDirectory(environment), "snapshots");
}

/** Whoever made the files on disk could give them these owners. */
const ownersOf: Readonly<Record<Privilege, string>> = { root: "keep", subordinate: "mapped", single: "self" };

/** The place of a snapshot. The same tree looks different on disk when different privileges made it. */
export function snapshotPlace(
  key: Digest,
  kind: SnapshotKind,
  privilege: Privilege,
  environment: Environment,
): string {
  const suffix = kind === "tree" ? "" : ".layer";
  return join(snapshotsDirectory(environment), `${digestHex(key)}-${ownersOf[privilege]}${suffix}`);
}

/** The files of a snapshot, when it is there; it counts as used now. */
export async function findSnapshot(place: string): Promise<string | undefined> {
  const rootfs = join(place, "rootfs");
  if ((await stat(rootfs).catch(() => undefined)) === undefined) return undefined;
  const now = new Date();
  if (!(await isWhole(place, now))) return undefined;
  await utimes(place, now, now).catch(() => undefined);
  return rootfs;
}

// The file in a snapshot that says in which run of the machine it was made. Nobody waits until the files of a snapshot
// are on the disk: the kernel takes 35 seconds for that (`/proc/sys/vm/dirty_*`).
const bootFile = "boot";
const surelyWritten = 120_000;

/**
 * Whether all of a snapshot's files are what was written: not when the machine went down since, unless the snapshot was
 * found once when they were on the disk already.
 */
async function isWhole(place: string, now: Date): Promise<boolean> {
  const file = join(place, bootFile);
  const boot = await readFile(file, "utf8").catch(() => undefined);
  if (boot === undefined) return true;
  if (boot !== thisProcess().boot) return false;
  const made = await stat(file).catch(() => undefined);
  if (made !== undefined && now.getTime() - made.mtimeMs > surelyWritten) await rm(file, { force: true });
  return true;
}

/**
 * Finds a snapshot or makes it; whoever finds it finds all of it, also after a crash.
 *
 * @param fill - puts the files into the directory, which is not there yet, and answers with their size in bytes
 * @param remove - removes a half-made directory
 */
export async function makeSnapshot(
  place: string,
  fill: (rootfs: string) => Promise<number>,
  remove: (directory: string) => Promise<void>,
  work: Work,
): Promise<string> {
  await makeDirectories(join(place, ".."));
  return withLock(
    `${place}.lock`,
    async () => {
      const found = await findSnapshot(place);
      if (found !== undefined) return found;
      const unfinished = unfinishedPlace(place);
      // What is there all the same is not whole.
      if (await rename(place, unfinished).then(done, notDone)) await remove(unfinished);
      try {
        await mkdir(unfinished);
        await publish(unfinished, place, await fill(join(unfinished, "rootfs")));
        return join(place, "rootfs");
      } catch (error) {
        await remove(unfinished);
        throw error;
      }
    },
    { signal: work.signal },
  );
}

/**
 * Makes a directory that is there already a snapshot, by renaming it; it must lie on the same file system.
 *
 * @returns whether it has become one; it has not when there is one already
 */
export async function adoptSnapshot(directory: string, place: string, size: number): Promise<boolean> {
  await makeDirectories(join(place, ".."));
  const unfinished = unfinishedPlace(place);
  await mkdir(unfinished);
  try {
    await rename(directory, join(unfinished, "rootfs"));
    await publish(unfinished, place, size);
    return true;
  } catch {
    // Somebody else was quicker; it goes where it came from, so that it is removed with what is there.
    await rename(join(unfinished, "rootfs"), directory).catch(() => undefined);
    await rm(unfinished, { recursive: true, force: true });
    return false;
  }
}

/** The end of the names of unfinished snapshots. */
export const unfinishedSuffix = ".tmp";

function unfinishedPlace(place: string): string {
  return `${place}.${randomBytes(6).toString("hex")}${unfinishedSuffix}`;
}

const done = (): boolean => true;
const notDone = (): boolean => false;

async function publish(unfinished: string, place: string, size: number): Promise<void> {
  await writeFile(join(unfinished, bootFile), thisProcess().boot);
  await writeFile(join(unfinished, "size"), String(size));
  await rename(unfinished, place);
}
