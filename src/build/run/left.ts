import { type Content, contentDigest } from "../../io/index.ts";
import { type IndexedMember, indexTar, treeOfMembers } from "../../tar/index.ts";
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
  treePath,
} from "../../tree/index.ts";

/**
 * What a program changed, from the tar of an overlay's upper directory (Linux's overlayfs.rst, "whiteouts and opaque
 * directories"): what it copied up without changing is left out, and so are the places that were made to mount
 * something on.
 *
 * @param mounted - where something was mounted
 */
export async function changesLeft(
  left: Content,
  whole: boolean,
  lower: Tree,
  mounted: readonly TreePath[],
): Promise<Changes> {
  const members = (await indexTar(left)).map(withWholeSeconds);
  const upper = treeOfMembers(members.filter((member) => !isWhiteout(member)).map(withoutMarks));
  if (whole) return withoutMountpoints(await unchangedTaken(changes(lower, upper), lower), lower, mounted);
  const removed: TreePath[] = members.filter(isWhiteout).map((member) => treePath(member.name));
  for (const member of members.filter(isOpaque)) {
    const directory = treePath(member.name);
    // As BuildKit writes it: what is gone is named, whatever took its place.
    for (const name of lower.children(directory)) {
      const path = childOf(directory, name);
      if (!upper.has(path)) removed.push(path);
    }
  }
  const there = removed.filter((path) => lower.has(path)).sort();
  return withoutMountpoints(
    await unchangedTaken({ added: upper, removed: there, opaque: [] }, lower),
    lower,
    mounted,
  );
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
  const paths = [...mounted].sort((a, b) => b.length - a.length);
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

function isWhiteout(member: IndexedMember): boolean {
  return member.type === "character" && member.major === 0 && member.minor === 0;
}

function isOpaque(member: IndexedMember): boolean {
  if (member.type !== "directory") return false;
  return ["trusted.overlay.opaque", "user.overlay.opaque"].some(
    (name) => Buffer.from(member.xattrs?.get(name) ?? []).toString() === "y",
  );
}

function withWholeSeconds(member: IndexedMember): IndexedMember {
  return { ...member, mtime: Math.floor(member.mtime) };
}

/** Without the attributes in which the overlay keeps its notes. */
function withoutMarks(member: IndexedMember): IndexedMember {
  const { xattrs, ...rest } = member;
  const kept = [...(xattrs ?? [])].filter(([name]) => !/^(?:trusted|user)\.overlay\./.test(name));
  return kept.length === 0 ? rest : { ...rest, xattrs: new Map(kept) };
}
