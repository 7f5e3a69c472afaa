import { statSync } from "node:fs";
import { bytesContent, type Content, type Digest, fileContent, isDigest, readContent } from "../io/index.ts";
import {
  type Entry,
  type Inode,
  impliedDirectory,
  newInode,
  type Origin,
  Tree,
  type TreeNode,
  unnamedDirectory,
} from "../tree/index.ts";
import { unpackedPath } from "./open-package.ts";
import type { PackageRecord } from "./package.ts";

/** An entry: a letter for the type, the place of its attributes, then what that type has; `h` says which names share it. */
type Row =
  | ["d", attributes: number, inside: readonly (string | Row)[]]
  | ["l", attributes: number, target: string]
  | ["p", attributes: number]
  /** A slice of an unpacked package. */
  | ["f", attributes: number, unpacked: number, offset: number, size: number, sha256: string, h?: number]
  /** Bytes of its own. */
  | ["b", attributes: number, base64: string, digest: string, h?: number];

/** A tree of packages as JSON holds it. */
interface KeptTree {
  /** Each package's SHA-256, and how long what it was unpacked to is. */
  readonly packages: readonly (readonly [sha256: string, size: number])[];
  readonly origins: readonly Origin[];
  /** Mode, owner, group, time, and the place of the origin (-1: none). */
  readonly attributes: readonly (readonly [number, number, number, number, number])[];
  readonly top: Row;
}

// Attributes of directories that nobody described; they are known by being the very same object.
const wellKnown: readonly Entry[] = [impliedDirectory, unnamedDirectory];
// What effects write is a few texts and, where it is asked for, the bundle of certificates.
const mostBytes = 4 * 1024 * 1024;

/** A tree holds something that the form has no words for; then it is made anew each time. */
class NotKept extends Error {}

/**
 * A tree of unpacked packages, with what was done to it, in a form that JSON can hold and {@link recallTree} reads.
 *
 * @param records - the packages whose unpacked files its contents are slices of
 * @returns `undefined` when it holds something else
 */
export async function keepTree(
  tree: Tree,
  records: readonly PackageRecord[],
  cacheDirectory: string,
): Promise<unknown> {
  try {
    return await new Keeper(records, cacheDirectory).keep(tree);
  } catch (error) {
    if (error instanceof NotKept) return undefined;
    throw error;
  }
}

class Keeper {
  readonly #records: readonly PackageRecord[];
  readonly #paths: readonly string[];
  readonly #unpacked: ReadonlyMap<string, number>;
  readonly #origins = new Map<Origin, number>();
  readonly #attributes = new Map<string, number>();
  readonly #inodes = new Map<Inode, number>();
  #bytes = 0;

  constructor(records: readonly PackageRecord[], cacheDirectory: string) {
    this.#records = records;
    this.#paths = records.map((record) => unpackedPath(record, cacheDirectory));
    this.#unpacked = new Map(this.#paths.map((path, index) => [path, index]));
  }

  async keep(tree: Tree): Promise<KeptTree> {
    const top = await this.#row(tree.top);
    return {
      packages: this.#records.map(({ sha256 }, index) => [sha256, sizeOf(this.#paths[index] ?? "")]),
      origins: [...this.#origins.keys()],
      attributes: [...this.#attributes.keys()].map((text) => JSON.parse(text)),
      top,
    };
  }

  async #row({ entry, children }: TreeNode): Promise<Row> {
    const attributes = this.#attributesOf(entry);
    switch (entry.type) {
      case "directory": {
        const inside: (string | Row)[] = [];
        for (const [name, child] of children ?? []) inside.push(name, await this.#row(child));
        return ["d", attributes, inside];
      }
      case "symlink":
        return ["l", attributes, entry.target];
      case "fifo":
        return ["p", attributes];
      case "file": {
        const { content, inode } = entry;
        const row = this.#slice(attributes, content) ?? (await this.#own(attributes, content));
        if (inode !== undefined) row.push(placeIn(this.#inodes, inode));
        return row;
      }
      default:
        throw new NotKept();
    }
  }

  #attributesOf(entry: Entry): number {
    const known = wellKnown.indexOf(entry);
    if (known >= 0) return -1 - known;
    const { mode, uid, gid, mtime, xattrs, origin } = entry;
    if (xattrs !== undefined) throw new NotKept();
    const from = origin === undefined ? -1 : placeIn(this.#origins, origin);
    return placeIn(this.#attributes, JSON.stringify([mode, uid, gid, mtime, from]));
  }

  #slice(attributes: number, { file, size, digest }: Content): Row | undefined {
    const unpacked = file === undefined ? undefined : this.#unpacked.get(file.path);
    if (file === undefined || unpacked === undefined || digest === undefined) return undefined;
    return ["f", attributes, unpacked, file.offset, size, digest];
  }

  async #own(attributes: number, content: Content): Promise<Row> {
    this.#bytes += content.size;
    if (content.file !== undefined || this.#bytes > mostBytes) throw new NotKept();
    return ["b", attributes, (await readContent(content)).toString("base64"), content.digest ?? ""];
  }
}

function placeIn<K>(table: Map<K, number>, key: K): number {
  const place = table.get(key) ?? table.size;
  table.set(key, place);
  return place;
}

function sizeOf(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  return found?.isFile() === true ? found.size : -1;
}

/**
 * The tree that {@link keepTree} was given.
 *
 * @param kept - what it gave, as JSON gave it back
 * @param records - the same packages
 * @returns `undefined` when it is of other packages, when one of them is not unpacked any more or its file is cut
 *   short, and when it has not this form
 */
export function recallTree(
  kept: unknown,
  records: readonly PackageRecord[],
  cacheDirectory: string,
): Tree | undefined {
  if (typeof kept !== "object" || kept === null) return undefined;
  try {
    return treeOfKept(kept as KeptTree, records, cacheDirectory);
  } catch {
    // Whatever is wrong with it: it is a memory, and the tree can be made without.
    return undefined;
  }
}

function treeOfKept(
  kept: KeptTree,
  records: readonly PackageRecord[],
  cacheDirectory: string,
): Tree | undefined {
  if (kept.packages.length !== records.length) return undefined;
  const paths = records.map((record) => unpackedPath(record, cacheDirectory));
  for (const [index, [sha256, size]] of kept.packages.entries()) {
    const isThere = size >= 0 && sizeOf(paths[index] ?? "") === size;
    if (records[index]?.sha256 !== sha256 || !isThere) return undefined;
  }
  const attributes = kept.attributes.map(([mode, uid, gid, mtime, from]) => {
    const origin = from === -1 ? undefined : present(kept.origins[from]);
    return { mode, uid, gid, mtime, ...(origin === undefined ? {} : { origin }) };
  });
  const inodes = new Map<number, Inode>();
  const shared = (place: number | undefined): { inode: Inode } | undefined => {
    if (place === undefined) return undefined;
    const inode = inodes.get(place) ?? newInode();
    inodes.set(place, inode);
    return { inode };
  };
  const nodeOf = (row: Row): TreeNode => {
    const known = row[1] < 0 ? present(wellKnown[-1 - row[1]]) : undefined;
    if (row[0] === "d") {
      const children = new Map<string, TreeNode>();
      const inside = row[2];
      for (let at = 0; at < inside.length; at += 2)
        children.set(inside[at] as string, nodeOf(inside[at + 1] as Row));
      return { entry: known ?? { type: "directory", ...present(attributes[row[1]]) }, children };
    }
    const common = present(attributes[row[1]]);
    switch (row[0]) {
      case "l":
        return { entry: { type: "symlink", ...common, target: row[2] } };
      case "p":
        return { entry: { type: "fifo", ...common } };
      case "f": {
        const content = fileContent(present(paths[row[2]]), row[4], row[3], digestOf(row[5]));
        return { entry: { type: "file", ...common, content, ...shared(row[6]) } };
      }
      case "b": {
        const digest = row[3] === "" ? undefined : digestOf(row[3]);
        const content = bytesContent(Buffer.from(row[2], "base64"), digest);
        return { entry: { type: "file", ...common, content, ...shared(row[4]) } };
      }
      default:
        throw new TypeError("there is no such type");
    }
  };
  const top = nodeOf(kept.top);
  return top.children === undefined ? undefined : new Tree(top);
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError("a place leads outside its table");
  return value;
}

function digestOf(text: string): Digest {
  if (!isDigest(text)) throw new TypeError("this is no digest");
  return text;
}
