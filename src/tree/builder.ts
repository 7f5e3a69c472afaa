import { type Attributes, type DirectoryEntry, type Entry, impliedDirectory } from "./entry.ts";
import { nameOf, parentOf, partsOf, type TreePath } from "./path.ts";
import { Tree, type TreeNode } from "./tree.ts";

interface Growing {
  entry: Entry;
  children: Map<string, Growing> | undefined;
}

/** Grows a tree entry by entry; `tree()` hands it over, and the builder is not to be used after that. */
export class TreeBuilder {
  readonly #top: Growing = { entry: impliedDirectory, children: new Map() };
  readonly #implied: DirectoryEntry;

  /** @param implied - what a directory looks like that is needed but never described */
  constructor(implied: DirectoryEntry = impliedDirectory) {
    this.#implied = implied;
    this.#top.entry = implied;
  }

  /**
   * Puts an entry at a path, making the directories above. A directory put over a directory keeps its contents;
   * anything else replaces what was there.
   */
  set(path: TreePath, entry: Entry): this {
    if (path === "/") {
      this.#top.entry = entry;
      return this;
    }
    const above = this.#directory(parentOf(path));
    const name = nameOf(path);
    const old = above.get(name);
    const children = entry.type === "directory" ? (old?.children ?? new Map<string, Growing>()) : undefined;
    above.set(name, { entry, children });
    return this;
  }

  /** The entry at exactly this path. */
  get(path: TreePath): Entry | undefined {
    return this.#find(path)?.entry;
  }

  /** The names in a directory, in no particular order. */
  names(path: TreePath): string[] {
    return [...(this.#find(path)?.children?.keys() ?? [])];
  }

  /** Removes an entry and all below it. */
  delete(path: TreePath): void {
    if (path === "/") this.#top.children?.clear();
    else this.#find(parentOf(path))?.children?.delete(nameOf(path));
  }

  /** The finished tree. */
  tree(): Tree {
    return new Tree(this.#top as TreeNode);
  }

  #find(path: TreePath): Growing | undefined {
    let node: Growing | undefined = this.#top;
    for (const part of partsOf(path)) {
      node = node.children?.get(part);
      if (node === undefined) return undefined;
    }
    return node;
  }

  #directory(path: TreePath): Map<string, Growing> {
    let node = this.#top;
    for (const part of partsOf(path)) {
      node.children ??= new Map();
      let next = node.children.get(part);
      if (next === undefined || next.children === undefined) {
        next = { entry: this.#implied, children: new Map() };
        node.children.set(part, next);
      }
      node = next;
    }
    node.children ??= new Map();
    return node.children;
  }
}

/** Attributes with usual values: root's, at the epoch. */
export function attributes(mode: number, more: Partial<Attributes> = {}): Attributes {
  return { uid: 0, gid: 0, mtime: 0, ...more, mode };
}

/** A tree from a map of paths to entries, in any order. */
export function treeOf(entries: Iterable<readonly [TreePath, Entry]>): Tree {
  const builder = new TreeBuilder();
  for (const [path, entry] of entries) builder.set(path, entry);
  return builder.tree();
}
