import { type Digest, type Environment, WhittleError, type Work } from "../io/index.ts";
import type { Changes, Tree } from "../tree/index.ts";
import { fillDirectory, removeDirectoryAs } from "./fill.ts";
import { choosePrivilege, type Privilege } from "./privilege.ts";
import {
  findSnapshot,
  makeSnapshot,
  type SnapshotKind,
  snapshotPlace,
  snapshotsDirectory,
} from "./snapshot-place.ts";
import { overlayLayer, unmarked } from "./upper.ts";

/** A tree made real on disk; shared by all containers that use it, and written to by none. */
export interface Snapshot {
  /** Absolute path of the directory with the files. */
  readonly rootfs: string;
}

/** One step on the way to a file tree: what it comes to, and what it changes of the one before. */
export interface SnapshotLayer {
  /** What the tree with this layer is: whatever decides its content. */
  readonly key: Digest;
  /** The whole tree; asked for only when there is no snapshot yet. */
  readonly tree: () => Promise<Tree>;
  /** Absent where the tree stands on nothing. */
  readonly changes?: () => Promise<Changes>;
}

/**
 * Makes a tree real in the cache, once for each key, with the owners that the tree names as far as this user can
 * give them: all as root, those of the subordinate ids in a user namespace, and only one's own without these.
 *
 * @param key - what the tree is: the digest of the image's manifest, or of whatever else decides its content
 * @param tree - asked for only when the snapshot is not there yet
 * @throws WhittleError `DISK_FULL`, `PERMISSION` or `ENVIRONMENT`
 */
export async function snapshot(
  key: Digest,
  tree: () => Promise<Tree>,
  work: Work,
  environment: Environment = process.env,
): Promise<Snapshot> {
  const privilege = await choosePrivilege(environment);
  const place = snapshotPlace(key, "tree", privilege, environment);
  return { rootfs: await realized(place, async () => withoutMarks(await tree()), privilege, work) };
}

/** After so many layers the tree is made real as a whole: an overlay has at most 500 directories. */
export const mostStacked = 100;

// Places where the marks of an overlay's directories cannot be made, because they are on an overlay themselves.
const markless = new Set<string>();

/**
 * Makes the layers of a tree real in the cache, each once: the lowest as all of its files, every other one as the
 * directory of an overlay. Where the file system of the cache takes no such directories the whole tree is one.
 *
 * @param layers - lowest first, at least one
 * @returns the directories to be laid over one another, lowest first
 */
export async function snapshotStack(
  layers: readonly SnapshotLayer[],
  privilege: Privilege,
  work: Work,
  environment: Environment,
): Promise<string[]> {
  const cache = snapshotsDirectory(environment);
  const last = layers.length - 1;
  const whole = markless.has(cache)
    ? last
    : layers.findLastIndex(({ changes }, index) => changes === undefined || index % mostStacked === 0);
  const directories: string[] = [];
  for (const [index, layer] of layers.entries()) {
    if (index < whole) continue;
    const kind: SnapshotKind = index === whole ? "tree" : "layer";
    const place = snapshotPlace(layer.key, kind, privilege, environment);
    const files = (): Promise<Tree> => filesOf(layer, kind, privilege);
    try {
      directories.push(await realized(place, files, privilege, work));
    } catch (error) {
      if (kind === "tree" || !(error instanceof WhittleError) || error.code !== "ENVIRONMENT") throw error;
      markless.add(cache);
      return snapshotStack(layers, privilege, work, environment);
    }
  }
  return directories;
}

async function filesOf(
  { tree, changes }: SnapshotLayer,
  kind: SnapshotKind,
  privilege: Privilege,
): Promise<Tree> {
  if (kind === "tree" || changes === undefined) return withoutMarks(await tree());
  return overlayLayer(await changes(), await tree(), privilege === "root" ? "trusted" : "user");
}

async function realized(
  place: string,
  tree: () => Promise<Tree>,
  privilege: Privilege,
  work: Work,
): Promise<string> {
  const found = await findSnapshot(place);
  if (found !== undefined) return found;
  return makeSnapshot(
    place,
    async (rootfs) => {
      const files = await tree();
      await fillDirectory(files, rootfs, privilege, work);
      return sizeOf(files);
    },
    (directory) => removeDirectoryAs(directory, privilege),
    work,
  );
}

/** An image's files may not give orders to the overlay that they become a part of. */
function withoutMarks(tree: Tree): Tree {
  return tree.map((_path, entry) => unmarked(entry));
}

// What a directory entry and an inode come to on common file systems.
const entrySize = 512;

/** About how many bytes a tree takes on disk; files with several names count once for each. */
export function sizeOf(tree: Tree): number {
  let size = 0;
  for (const [, entry] of tree.entries())
    size += entrySize + (entry.type === "file" ? entry.content.size : 0);
  return size;
}
