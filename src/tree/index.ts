export { attributes, TreeBuilder, treeOf } from "./builder.ts";
export type { Changes } from "./changes.ts";
export { apply, changes, sameEntry } from "./changes.ts";
export type { TreeOfDirectoryOptions } from "./directory.ts";
export { treeOfDirectory } from "./directory.ts";
export type {
  Attributes,
  DeviceEntry,
  DirectoryEntry,
  Entry,
  FifoEntry,
  FileEntry,
  Inode,
  Origin,
  SymlinkEntry,
} from "./entry.ts";
export { impliedDirectory, newInode, unnamedDirectory } from "./entry.ts";
export { isUtf8Name, nameBytes, nameText } from "./name-bytes.ts";
export type { TreePath } from "./path.ts";
export {
  ancestorsOf,
  childOf,
  compareNames,
  comparePaths,
  isWithin,
  nameOf,
  parentOf,
  partsOf,
  treePath,
} from "./path.ts";
export type { Resolution, ResolveOptions, TreeNode } from "./tree.ts";
export { Tree } from "./tree.ts";
export { sortedNames } from "./walk-nodes.ts";
export type { WriteTreeOptions, WrittenTree } from "./write-tree.ts";
export { writeTree } from "./write-tree.ts";
