import type { Content } from "../io/index.ts";
import {
  type Attributes,
  type Entry,
  newInode,
  type Origin,
  type Tree,
  TreeBuilder,
  treePath,
} from "../tree/index.ts";
import { corrupt, hostile } from "./failure.ts";
import { indexTar } from "./index-tar.ts";
import type { IndexedMember, TarLimits } from "./member.ts";

export interface TreeOfMembersOptions {
  /** Where the entries came from. */
  readonly origin?: Origin;
  /** The tree that the archive is unpacked over (default: an empty one). */
  readonly lower?: Tree;
}

// PATH_MAX and NAME_MAX of Linux: no name beyond them could be unpacked anywhere.
const longestName = 4096;
const longestPart = 255;

/**
 * The tree that unpacking an archive gives, in the order of its members: later ones replace earlier ones, links
 * on the way to a member are followed inside the tree only, hard links share an `Inode`.
 *
 * @throws WhittleError `ARCHIVE_HOSTILE` when a name holds `..`, is too long, or leads through endless links;
 *   `ARCHIVE_CORRUPT` when a hard link has no target
 */
export function treeOfMembers(members: Iterable<IndexedMember>, options: TreeOfMembersOptions = {}): Tree {
  const builder = new TreeBuilder(undefined, options.lower);
  const seen = new Map<string, string>();
  for (const member of members) {
    const path = placeOf(builder, member.name, member.offset, seen);
    const old = builder.get(path);
    put(builder, path, member, options.origin);
    // A link, or another thing in the place of a link or directory, changes where paths lead.
    const other = old !== undefined && old.type !== member.type;
    if (other || member.type === "symlink" || member.type === "hardlink") seen.clear();
  }
  return builder.tree();
}

/** The tree in an uncompressed archive; see {@link treeOfMembers}. */
export async function treeOfTar(
  archive: Content,
  options: TreeOfMembersOptions & { readonly limits?: Partial<TarLimits> } = {},
): Promise<Tree> {
  return treeOfMembers(await indexTar(archive, options), options);
}

/**
 * Where a member comes to lie: links above it are followed inside the tree, the last part is taken as it is.
 *
 * @param seen - directories that were resolved before
 */
export function placeOf(
  tree: { resolve: Tree["resolve"] },
  name: string,
  at: number,
  seen: Map<string, string> = new Map(),
): string {
  if (name.length > longestName) throw hostile(`a name of ${name.length} characters`, at);
  const path = treePath(name);
  if (path === "/") return path;
  const slash = path.lastIndexOf("/");
  const above = path.slice(0, slash);
  let directory = seen.get(above);
  if (directory === undefined) {
    if (above.split("/").some((part) => part.length > longestPart))
      throw hostile("a part of a name is too long", at);
    const resolved = tree.resolve(`${above}/`, { missing: "enter" });
    if (resolved.links.length > 40) {
      throw hostile(`${JSON.stringify(path)} leads through an endless chain of links`, at);
    }
    directory = resolved.path === "/" ? "" : resolved.path;
    if (directory.length > longestName) throw hostile("links make a path too long", at);
    seen.set(above, directory);
  }
  if (path.length - slash - 1 > longestPart) throw hostile("a part of a name is too long", at);
  return directory + path.slice(slash);
}

function put(builder: TreeBuilder, path: string, member: IndexedMember, origin: Origin | undefined): void {
  if (path === "/" && member.type !== "directory")
    throw hostile("a member takes the place of the top directory", member.offset);
  if (member.type === "hardlink") link(builder, path, member);
  else builder.set(path, entryOf(member, origin));
}

/** A hard link's target is named from the top of the archive; it is resolved inside the tree, like a member. */
function link(builder: TreeBuilder, path: string, member: IndexedMember): void {
  const target = builder.resolve(`/${member.linkName}`, { last: "keep", missing: "enter" });
  const entry = target.entry;
  if (entry === undefined || entry.type === "directory") {
    const found = entry === undefined ? "which is not there" : "which is a directory";
    throw corrupt(`a hard link to ${JSON.stringify(member.linkName)}, ${found}`, member.offset);
  }
  if (target.path === path) return;
  if (entry.type !== "file") {
    builder.set(path, entry);
    return;
  }
  const shared = entry.inode === undefined ? { ...entry, inode: newInode() } : entry;
  if (shared !== entry) builder.set(target.path, shared);
  builder.set(path, shared);
}

function entryOf(member: IndexedMember, origin: Origin | undefined): Entry {
  const attributes: Attributes = {
    mode: member.mode,
    uid: member.uid,
    gid: member.gid,
    mtime: member.mtime,
    ...(member.xattrs === undefined ? {} : { xattrs: member.xattrs }),
    ...(origin === undefined ? {} : { origin }),
  };
  switch (member.type) {
    case "symlink":
      return { ...attributes, type: "symlink", target: member.linkName };
    case "character":
    case "block":
      return { ...attributes, type: member.type, major: member.major, minor: member.minor };
    case "directory":
    case "fifo":
      return { ...attributes, type: member.type };
    default:
      return { ...attributes, type: "file", content: member.content };
  }
}
