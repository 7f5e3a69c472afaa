import { contentDigest } from "../../io/index.ts";
import type { LeftFiles } from "../../sandbox/index.ts";
import {
  type Changes,
  changes,
  childOf,
  type Entry,
  parentOf,
  sameEntry,
  type Tree,
  TreeBuilder,
  type TreePath,
} from "../../tree/index.ts";
import { layerAttributes } from "../layer-attributes.ts";

/**
 * What a program changed, from what it left: what it touched without changing is left out, and so are the places
 * that were made to mount something on.
 *
 * @param mounted - where something was mounted
 */
export async function changesLeft(
  left: LeftFiles,
  lower: Tree,
  mounted: readonly TreePath[],
): Promise<Changes> {
  const upper = withOwners(left, lower).map((_path, entry) => layerAttributes(entry));
  const change = left.whole
    ? changes(lower, upper)
    : { added: upper, removed: removedFrom(lower, upper, left), opaque: [] };
  return withoutMountpoints(await unchangedTaken(change, lower), lower, mounted);
}

/** What is gone; as BuildKit writes it, everything in a directory that was made anew is named. */
function removedFrom(lower: Tree, upper: Tree, { removed, opaque }: LeftFiles): TreePath[] {
  const formerly = opaque.flatMap((directory) => missingBelow(lower, upper, directory));
  return [...new Set([...removed, ...formerly])].filter((path) => lower.has(path)).sort();
}

/** What was in a directory and is not in the one that took its place, which is marked at its top only. */
function missingBelow(lower: Tree, upper: Tree, directory: TreePath): TreePath[] {
  return lower.children(directory).flatMap((name) => {
    const path = childOf(directory, name);
    const now = upper.get(path);
    if (now === undefined) return path;
    return now.type === "directory" ? missingBelow(lower, upper, path) : [];
  });
}

/** Where the machine knew one owner only, files that were there keep theirs and others are the program's. */
function withOwners({ tree, onlyOwner }: LeftFiles, lower: Tree): Tree {
  if (onlyOwner === undefined) return tree;
  return tree.map((path, entry) => {
    const old = lower.get(path);
    const { uid, gid } = old?.type === entry.type ? old : onlyOwner;
    return { ...entry, uid, gid };
  });
}

/** Takes out what is just as it was, and directories above nothing. */
async function unchangedTaken(change: Changes, lower: Tree): Promise<Changes> {
  const builder = new TreeBuilder();
  for (const [path, entry] of change.added.entries()) {
    const old = lower.get(path);
    if (old === undefined || !(await unchanged(old, entry)))
      addWithParents(builder, path, entry, change.added, lower);
  }
  for (const path of change.removed) parents(builder, path, change.added, lower);
  return { ...change, added: builder.tree() };
}

/** An entry that is in a layer has the directories above it there as well. */
function addWithParents(builder: TreeBuilder, path: TreePath, entry: Entry, upper: Tree, lower: Tree): void {
  parents(builder, path, upper, lower);
  builder.set(path, entry);
}

function parents(builder: TreeBuilder, path: TreePath, upper: Tree, lower: Tree): void {
  const above = parentOf(path);
  if (above === "/" || builder.get(above) !== undefined) return;
  parents(builder, above, upper, lower);
  const entry = upper.get(above) ?? lower.get(above);
  if (entry !== undefined) builder.set(above, entry);
}

async function unchanged(old: Entry, now: Entry): Promise<boolean> {
  // A directory's time changes with its contents, which are told of in any case.
  if (now.type === "directory") return sameEntry(old, { ...now, mtime: old.mtime });
  if (old.type !== "file" || now.type !== "file") return sameEntry(old, { ...now, mtime: now.mtime });
  if (Math.floor(old.mtime) !== Math.floor(now.mtime) || old.content.size !== now.content.size) return false;
  const { inode: _old, ...before } = old;
  const { inode: _now, ...after } = now;
  if (!sameEntry({ ...before, content: now.content, mtime: 0 }, { ...after, mtime: 0 })) return false;
  return (await contentDigest(old.content)) === (await contentDigest(now.content));
}

/** Empty files and directories that only were there to mount something on, and directories made for them. */
function withoutMountpoints(change: Changes, lower: Tree, mounted: readonly TreePath[]): Changes {
  let { added } = change;
  // A link leads to the place that something is mounted on.
  const places = mounted.map((path) => lower.resolve(path, { missing: "enter" }).path);
  const paths = [...new Set(places)].sort((a, b) => b.length - a.length);
  for (const mount of paths) {
    for (let path = mount; path !== "/"; path = parentOf(path)) {
      const entry = added.get(path);
      if (entry === undefined) continue;
      const known = lower.get(path);
      const empty = entry.type === "directory" ? added.children(path).length === 0 : isEmptyFile(entry);
      if (!empty) break;
      const gone = change.removed.some((other) => other.startsWith(`${path}/`));
      if (
        gone ||
        (known !== undefined &&
          !(known.type === "directory" && sameEntry(known, { ...entry, mtime: known.mtime })))
      )
        break;
      added = added.without(path);
    }
  }
  return { ...change, added };
}

function isEmptyFile(entry: Entry): boolean {
  return entry.type === "file" && entry.content.size === 0;
}
