import { type Attributes, type DirectoryEntry, type Entry, impliedDirectory } from "./entry.ts";
import { nameOf, parentOf, partsOf, type TreePath } from "./path.ts";
import { type Resolution, type ResolveOptions, Tree, type TreeNode } from "./tree.ts";

/** A directory that a builder may change while it is its `owner`; afterwards it is a part of a shared tree. */
interface Growing {
  entry: Entry;
  readonly children: Map<string, TreeNode>;
  readonly owner: object;
}

/**
 * Grows a tree entry by entry, from nothing or from a tree that it leaves as it is: directories are copied when
 * something in them changes. After `tree()` it can go on; what it handed over stays as it was.
 */
export class TreeBuilder {
  #top: Growing;
  #owner: object = {};
  readonly #implied: DirectoryEntry;
  // Entries mostly come grouped by directory.
  #lastPath: TreePath | undefined;
  #lastChildren: Map<string, TreeNode> = new Map();

  /**
   * @param implied - what a directory looks like that is needed but never described
   * @param from - the tree to start from
   */
  constructor(implied: DirectoryEntry = impliedDirectory, from?: Tree) {
    this.#implied = implied;
    this.#top = this.#copy(from?.top ?? { entry: implied, children: new Map() });
  }

  /**
   * Puts an entry at a path, making the directories above. A directory put over a directory keeps its contents,
   * and its attributes too when the new one is the implied one; anything else replaces what was there.
   */
  set(path: TreePath, entry: Entry): this {
    if (path === "/") {
      this.#top.entry = entry;
      return this;
    }
    const above = this.#directory(parentOf(path));
    const name = nameOf(path);
    if (entry.type === "directory") {
      const old = above.get(name);
      const node = this.#copy(old?.children === undefined ? { entry, children: new Map() } : old);
      if (entry !== impliedDirectory || old?.children === undefined) node.entry = entry;
      above.set(name, node);
    } else {
      if (above.get(name)?.children !== undefined) this.#lastPath = undefined;
      above.set(name, { entry });
    }
    return this;
  }

  /** The entry at exactly this path. */
  get(path: TreePath): Entry | undefined {
    const slash = path.lastIndexOf("/");
    if (slash > 0 && path.slice(0, slash) === this.#lastPath)
      return this.#lastChildren.get(path.slice(slash + 1))?.entry;
    return this.#view().get(path);
  }

  /** Follows a path through what has been built so far; see {@link Tree.resolve}. */
  resolve(path: string, options?: ResolveOptions): Resolution {
    return this.#view().resolve(path, options);
  }

  /** The names in a directory, in no particular order. */
  names(path: TreePath): string[] {
    return [...(this.#view().node(path)?.children?.keys() ?? [])];
  }

  /** Removes an entry and all below it. */
  delete(path: TreePath): void {
    this.#lastPath = undefined;
    if (path === "/") this.#top.children.clear();
    else if (this.#view().has(path)) this.#directory(parentOf(path)).delete(nameOf(path));
  }

  /** The tree as it is now. */
  tree(): Tree {
    const tree = this.#view();
    this.#owner = {};
    this.#top = this.#copy(tree.top);
    this.#lastPath = undefined;
    return tree;
  }

  #view(): Tree {
    return new Tree(this.#top);
  }

  /** The node itself when it is this builder's to change, else a copy that is. */
  #copy(node: TreeNode | Growing): Growing {
    if ("owner" in node && node.owner === this.#owner) return node;
    return { entry: node.entry, children: new Map(node.children), owner: this.#owner };
  }

  #directory(path: TreePath): Map<string, TreeNode> {
    if (path === this.#lastPath) return this.#lastChildren;
    let node = this.#top;
    for (const part of partsOf(path)) {
      const old = node.children.get(part);
      const next = this.#copy(
        old?.children === undefined ? { entry: this.#implied, children: new Map() } : old,
      );
      if (next !== old) node.children.set(part, next);
      node = next;
    }
    this.#lastPath = path;
    this.#lastChildren = node.children;
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
