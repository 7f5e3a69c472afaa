import { randomBytes } from "node:crypto";
import { mkdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  cacheDirectory,
  type Digest,
  digestHex,
  type Environment,
  makeDirectories,
  type Work,
  withLock,
} from "../io/index.ts";
import type { Privilege } from "./privilege.ts";

/** A whole file tree, or a directory for an overlay that holds what one layer changes. */
export type SnapshotKind = "tree" | "layer";

/** Where snapshots are kept; each is a directory with the files in `rootfs` and, in `size`, how many bytes they take. */
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
  await utimes(place, now, now).catch(() => undefined);
  return rootfs;
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

async function publish(unfinished: string, place: string, size: number): Promise<void> {
  await writeFile(join(unfinished, "size"), String(size));
  await rename(unfinished, place);
}
