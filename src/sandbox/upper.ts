import type { Content } from "../io/index.ts";
import { indexTar, treeOfMembers } from "../tar/index.ts";
import {
  type Attributes,
  type Changes,
  type Entry,
  impliedDirectory,
  parentOf,
  type Tree,
  TreeBuilder,
  type TreePath,
  treeOfDirectory,
} from "../tree/index.ts";

/** Who writes the marks of an overlay: root in `trusted.*`, an ordinary user in `user.*` (overlayfs.rst). */
export type OverlayMarks = "trusted" | "user";

/** What a program left in the writable directory of its overlay, or in a copy of everything. */
export interface LeftFiles {
  /** New files and those that were touched, or all files when `whole`. */
  readonly tree: Tree;
  readonly whole: boolean;
  /** What is gone. */
  readonly removed: readonly TreePath[];
  /** Directories whose former contents are gone; what is there now is in `tree`. */
  readonly opaque: readonly TreePath[];
  /** Sockets, which no layer can hold. */
  readonly sockets: readonly TreePath[];
  /** There was one id only, so that all files seem to be of this owner, whoever they belong to. */
  readonly onlyOwner?: { readonly uid: number; readonly gid: number };
}

/** Reads a directory on disk. */
export async function leftInDirectory(directory: string, whole: boolean): Promise<LeftFiles> {
  const sockets: TreePath[] = [];
  const tree = await treeOfDirectory(directory, {
    xattrs: true,
    skipped: (path) => sockets.push(path),
  });
  return { ...withoutMarks(tree), whole, sockets };
}

/** Reads a tar of such a directory; times are cut to whole seconds. */
export async function leftInTar(tar: Content, whole: boolean): Promise<LeftFiles> {
  const members = await indexTar(tar);
  const tree = treeOfMembers(members.map((member) => ({ ...member, mtime: Math.floor(member.mtime) })));
  return { ...withoutMarks(tree), whole, sockets: [] };
}

/** Takes the overlay's marks out of a tree and answers with what they mean. */
function withoutMarks(tree: Tree): Pick<LeftFiles, "tree" | "removed" | "opaque"> {
  const builder = new TreeBuilder();
  const removed: TreePath[] = [];
  const opaque: TreePath[] = [];
  for (const [path, entry] of tree.entries()) {
    if (isWhiteout(entry)) {
      removed.push(path);
      continue;
    }
    if (entry.type === "directory" && isOpaque(entry)) opaque.push(path);
    builder.set(path, unmarked(entry));
  }
  return { tree: builder.tree(), removed, opaque };
}

/** Whether an entry of an overlay's directory stands for something that is gone: a character device 0/0. */
export function isWhiteout(entry: Entry): boolean {
  return entry.type === "character" && entry.major === 0 && entry.minor === 0;
}

function isOpaque({ xattrs }: Attributes): boolean {
  return ["trusted.overlay.opaque", "user.overlay.opaque"].some(
    (name) => Buffer.from(xattrs?.get(name) ?? []).toString() === "y",
  );
}

/** Whether an entry means something to the overlay that it becomes a part of. */
export function isMark(entry: Entry | undefined): boolean {
  return entry !== undefined && (isWhiteout(entry) || isOpaque(entry));
}

const mark = /^(?:trusted|user)\.overlay\./;

/** An entry without the attributes in which an overlay keeps its notes. */
export function unmarked<E extends Entry>(entry: E): E {
  const { xattrs, ...rest } = entry;
  if (xattrs === undefined) return entry;
  const kept = [...xattrs].filter(([name]) => !mark.test(name));
  if (kept.length === xattrs.size) return entry;
  return (kept.length === 0 ? rest : { ...rest, xattrs: new Map(kept) }) as E;
}

/**
 * The directory of an overlay that holds changes, as a tree: with a mark for everything that is gone.
 *
 * @param whole - the tree that the changes lead to
 */
export function overlayLayer(changes: Changes, whole: Tree, marks: OverlayMarks): Tree {
  const builder = new TreeBuilder();
  const opaque = new Set(changes.opaque);
  for (const path of changes.removed) {
    const now = whole.get(path);
    if (now === undefined) setWithParents(builder, path, whiteout, whole);
    // What took its place hides it, unless that is a directory too: both would be merged.
    else if (now.type === "directory") opaque.add(path);
  }
  for (const [path, entry] of changes.added.entries()) {
    // A directory's attributes may be those of the one below.
    const now = entry.type === "directory" ? (whole.get(path) ?? entry) : entry;
    builder.set(path, unmarked(now));
  }
  for (const path of opaque) {
    const directory = whole.get(path);
    if (directory?.type === "directory") setWithParents(builder, path, markedOpaque(directory, marks), whole);
  }
  return builder.tree();
}

const whiteout: Entry = { type: "character", major: 0, minor: 0, mode: 0, uid: 0, gid: 0, mtime: 0 };

function markedOpaque(entry: Entry, marks: OverlayMarks): Entry {
  const { xattrs } = unmarked(entry);
  return { ...entry, xattrs: new Map([...(xattrs ?? []), [`${marks}.overlay.opaque`, Buffer.from("y")]]) };
}

function setWithParents(builder: TreeBuilder, path: TreePath, entry: Entry, whole: Tree): void {
  const missing: [TreePath, Entry][] = [];
  for (let above = parentOf(path); builder.get(above) === undefined; above = parentOf(above)) {
    missing.push([above, whole.get(above) ?? impliedDirectory]);
  }
  for (const [above, directory] of missing.reverse()) builder.set(above, unmarked(directory));
  builder.set(path, entry);
}
