import type { Content } from "../io/index.ts";
import { type Entry, impliedDirectory } from "./entry.ts";
import { childOf, type TreePath } from "./path.ts";
import { Tree, type TreeNode } from "./tree.ts";

/** What turns one tree into another: what to lay over it, and what to take away first. */
export interface Changes {
  /** Entries that are new or different, with the directories above them. */
  readonly added: Tree;
  /** Topmost paths that are gone; nothing below them is listed. */
  readonly removed: readonly TreePath[];
  /** Directories whose former contents are hidden entirely; what is inside now is in `added`. */
  readonly opaque: readonly TreePath[];
}

/**
 * The changes that lead from `lower` to `upper`. Files count as the same when their attributes are equal and
 * their contents are the same handle or have the same known digest; nothing is read.
 */
export function changes(lower: Tree, upper: Tree): Changes {
  const removed: TreePath[] = [];
  const top = compare(lower.top, upper.top, "/", removed);
  return { added: top === undefined ? Tree.empty : new Tree(top), removed: removed.sort(), opaque: [] };
}

/** Applies changes: removals and opaque directories first, then the additions. */
export function apply(lower: Tree, change: Changes): Tree {
  let tree = lower;
  for (const path of change.removed) tree = tree.without(path);
  for (const path of change.opaque) {
    for (const name of tree.children(path)) tree = tree.without(childOf(path, name));
  }
  return tree.overlay(change.added);
}

/** Whether two entries are alike in everything but their origin. */
export function sameEntry(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid || a.mtime !== b.mtime) return false;
  if (!sameXattrs(a.xattrs, b.xattrs)) return false;
  switch (a.type) {
    case "file":
      return b.type === "file" && a.inode === b.inode && sameContent(a.content, b.content);
    case "symlink":
      return b.type === "symlink" && a.target === b.target;
    case "character":
    case "block":
      return a.type === b.type && a.major === b.major && a.minor === b.minor;
    default:
      return a.type === b.type;
  }
}

function sameContent(a: Content, b: Content): boolean {
  if (a === b) return true;
  return a.size === b.size && a.digest !== undefined && a.digest === b.digest;
}

function sameXattrs(a: Entry["xattrs"], b: Entry["xattrs"]): boolean {
  if ((a?.size ?? 0) !== (b?.size ?? 0)) return false;
  for (const [name, value] of a ?? []) {
    const other = b?.get(name);
    if (other === undefined || Buffer.compare(value, other) !== 0) return false;
  }
  return true;
}

/** The node of `added` for one path, or nothing when it is unchanged; collects removals on the way. */
function compare(
  lower: TreeNode,
  upper: TreeNode,
  path: TreePath,
  removed: TreePath[],
): TreeNode | undefined {
  if (lower === upper) return undefined;
  if (lower.children === undefined || upper.children === undefined) {
    return lower.children === undefined && upper.children === undefined && sameEntry(lower.entry, upper.entry)
      ? undefined
      : upper;
  }
  const children = new Map<string, TreeNode>();
  for (const [name, child] of upper.children) {
    const old = lower.children.get(name);
    const changed = old === undefined ? child : compare(old, child, childOf(path, name), removed);
    if (changed !== undefined) children.set(name, changed);
  }
  for (const name of lower.children.keys()) {
    if (!upper.children.has(name)) removed.push(childOf(path, name));
  }
  const same = sameEntry(lower.entry, upper.entry);
  if (children.size === 0 && same) return undefined;
  // Where attributes change, even those that nobody described are meant.
  const entry = upper.entry === impliedDirectory && !same ? { ...upper.entry } : upper.entry;
  return { entry, children };
}
