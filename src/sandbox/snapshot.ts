import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
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
import { type Tree, writeTree } from "../tree/index.ts";
import { isRoot } from "./machine.ts";
import type { RunnableImage } from "./options.ts";

/** A tree made real on disk; shared by all containers that use it, and written to by none. */
export type Snapshot = Required<Pick<RunnableImage, "rootfs" | "owners">>;

/**
 * Makes a tree real in the cache, once for each key. Root gets the files with the tree's owners; an ordinary user
 * owns all of them, and the snapshot tells which ids they ought to have.
 *
 * @param key - what the tree is: the digest of the image's manifest, or of whatever else decides its content
 * @param tree - asked for only when the snapshot is not there yet
 * @throws WhittleError `DISK_FULL` or `PERMISSION`
 */
export async function snapshot(
  key: Digest,
  tree: () => Promise<Tree>,
  work: Work,
  environment: Environment = process.env,
): Promise<Snapshot> {
  const owner = isRoot() ? "keep" : "self";
  const directory = join(cacheDirectory(environment), "snapshots");
  const place = join(directory, `${digestHex(key)}-${owner}`);
  const found = await openSnapshot(place);
  if (found !== undefined) return found;
  await makeDirectories(directory);
  return withLock(
    `${place}.lock`,
    async () => (await openSnapshot(place)) ?? makeSnapshot(place, await tree(), owner, work),
    { signal: work.signal },
  );
}

async function openSnapshot(place: string): Promise<Snapshot | undefined> {
  const text = await readFile(join(place, "owners.json"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  return { rootfs: join(place, "rootfs"), owners: JSON.parse(text) as Snapshot["owners"] };
}

async function makeSnapshot(
  place: string,
  tree: Tree,
  owner: "keep" | "self",
  work: Work,
): Promise<Snapshot> {
  const temporary = `${place}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await mkdir(temporary);
    await writeTree(tree, join(temporary, "rootfs"), { owner, signal: work.signal });
    const owners = owner === "self" ? otherOwners(tree) : {};
    await writeFile(join(temporary, "owners.json"), JSON.stringify(owners));
    // Whoever finds it must find all of it.
    await rename(temporary, place);
    return { rootfs: join(place, "rootfs"), owners };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** For each `uid:gid` that is not root's, the paths that have it. */
function otherOwners(tree: Tree): Record<string, string[]> {
  const owners: Record<string, string[]> = {};
  for (const [path, { uid, gid }] of tree.entries()) {
    if (uid === 0 && gid === 0) continue;
    const owner = `${uid}:${gid}`;
    owners[owner] ??= [];
    owners[owner].push(path);
  }
  return owners;
}
