import { parentOf, type Tree, type TreePath } from "../tree/index.ts";

/** A path as a program writes it, as a path of the tree. */
export interface WrittenPath {
  /** Without `.`, `..` and empty parts; symbolic links in it are not resolved. */
  readonly path: TreePath;
  /** Directories that it goes through and leaves again by `..`: they have to be there for the path to work. */
  readonly through: readonly TreePath[];
}

/**
 * Brings an absolute path that may hold `..` into the form of a tree's path, as the kernel walks it: `..` leads
 * up from where a link led to, not from where the link is.
 */
export function writtenPath(tree: Tree, text: string): WrittenPath {
  const through: TreePath[] = [];
  let path: TreePath = "/";
  for (const part of text.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      through.push(path);
      path = parentOf(tree.resolve(path).path);
    } else {
      path = path === "/" ? `/${part}` : `${path}/${part}`;
    }
  }
  return { path, through };
}
