import { type Inode, newInode, type Tree, TreeBuilder, type TreePath } from "../../tree/index.ts";

/**
 * The names of files that a program gave another name to, with that name. A layer has the new name only, as a file
 * of its own, but whoever copies both from the tree gets one file with two names, as in BuildKit.
 *
 * @param upper - what the program left, unchanged files among it
 * @param added - what of it comes into the layer
 * @returns a list for each file, in the order of names
 */
export function linkedNames(upper: Tree, added: Tree): TreePath[][] {
  const names = new Map<Inode, TreePath[]>();
  for (const [path, entry] of upper.entries()) {
    if (entry.type !== "file" || entry.inode === undefined) continue;
    const others = names.get(entry.inode);
    if (others === undefined) names.set(entry.inode, [path]);
    else others.push(path);
  }
  return [...names.values()].filter(
    (paths) => paths.some((path) => added.has(path)) && paths.some((path) => !added.has(path)),
  );
}

/** A tree in which those names are one file's each. */
export function withLinkedNames(tree: Tree, names: readonly (readonly TreePath[])[]): Tree {
  if (names.length === 0) return tree;
  const builder = new TreeBuilder(undefined, tree);
  for (const paths of names) {
    const inode = newInode();
    for (const path of paths) {
      const entry = tree.get(path);
      if (entry?.type === "file") builder.set(path, { ...entry, inode });
    }
  }
  return builder.tree();
}
