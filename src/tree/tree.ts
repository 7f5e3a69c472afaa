import { type DirectoryEntry, type Entry, impliedDirectory } from "./entry.ts";
import { childOf, partsOf, type TreePath } from "./path.ts";
import { sortedNames, walk } from "./walk-nodes.ts";

/** A name in a tree with what it names and, for directories, what is inside. Never changed once shared. */
export interface TreeNode {
  readonly entry: Entry;
  /** Present exactly for directories. */
  readonly children?: ReadonlyMap<string, TreeNode>;
}

/** What following a path inside a tree came to. */
export interface Resolution {
  /** The path without any symbolic link in it. */
  readonly path: TreePath;
  /** Absent when nothing is there (a dangling link, a missing name). */
  readonly entry?: Entry;
  /** The symbolic links that were followed, in order; each is a path of the tree. */
  readonly links: readonly TreePath[];
}

/** How a path is followed. */
export interface ResolveOptions {
  /** Whether a link at the end of the path is followed (default: yes). */
  readonly last?: "follow" | "keep";
  /** Where a relative path starts (default: the top). */
  readonly from?: TreePath;
  /**
   * Whether `..` leads back out of a directory that is not there (`"enter"`, as for whoever is about to make it)
   * or ends the search (`"stop"`, as in the kernel; the default).
   */
  readonly missing?: "enter" | "stop";
}

// Linux gives up after 40 (path_resolution(7)).
const mostLinks = 40;

/**
 * A file tree as an immutable value. Trees share what they have in common: overlaying, filtering and placing
 * cost what changes, not what is there.
 */
export class Tree {
  readonly top: TreeNode;
  #size: number | undefined;

  constructor(top: TreeNode) {
    this.top = top;
  }

  /** The tree with nothing but its top directory. */
  static readonly empty: Tree = new Tree({ entry: impliedDirectory, children: new Map() });

  /** How many entries there are, the top directory not counted. */
  get size(): number {
    this.#size ??= countNodes(this.top) - 1;
    return this.#size;
  }

  /** The entry at exactly this path; no link is followed. */
  get(path: TreePath): Entry | undefined {
    return this.node(path)?.entry;
  }

  /** Whether something is at exactly this path. */
  has(path: TreePath): boolean {
    return this.node(path) !== undefined;
  }

  /** The node at exactly this path. */
  node(path: TreePath): TreeNode | undefined {
    let node: TreeNode | undefined = this.top;
    for (const part of partsOf(path)) {
      node = node.children?.get(part);
      if (node === undefined) return undefined;
    }
    return node;
  }

  /** The names in a directory, in byte order; none when it is not a directory. */
  children(path: TreePath): string[] {
    const children = this.node(path)?.children;
    return children === undefined ? [] : sortedNames(children);
  }

  /** All entries in byte order of their parts, a directory before what is in it, the top left out. */
  *entries(below: TreePath = "/"): Generator<[TreePath, Entry], void, undefined> {
    const start = this.node(below);
    if (start === undefined) return;
    if (below !== "/") yield [below, start.entry];
    yield* walk(start, below);
  }

  /**
   * Follows a path as the kernel would with this tree as its root: links in the middle always, a link at the
   * end unless `last` is `"keep"`. `..` at the top stays at the top; nothing can lead outside.
   *
   * @param path - absolute, or relative to `from`; may hold `.` and `..`
   */
  resolve(path: string, options: ResolveOptions = {}): Resolution {
    const links: TreePath[] = [];
    const pending = path.split("/").reverse();
    let at: string[] = [];
    let nodes: TreeNode[] = [this.top];
    if (!path.startsWith("/")) {
      for (const part of partsOf(options.from ?? "/")) {
        at.push(part);
        nodes.push(nodes.at(-1)?.children?.get(part) ?? missing);
      }
    }
    for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
      if (part === "" || part === ".") continue;
      if (part === "..") {
        if (nodes.at(-1) === missing && options.missing !== "enter") break;
        at.pop();
        if (nodes.length > 1) nodes.pop();
        continue;
      }
      const node: TreeNode = nodes.at(-1)?.children?.get(part) ?? missing;
      if (node.entry.type !== "symlink" || (options.last === "keep" && pending.length === 0)) {
        at.push(part);
        nodes.push(node);
        continue;
      }
      links.push(`/${[...at, part].join("/")}`);
      if (links.length > mostLinks) return { path: links.at(-1) ?? "/", links };
      if (node.entry.target.startsWith("/")) {
        at = [];
        nodes = [this.top];
      }
      pending.push(...node.entry.target.split("/").reverse());
    }
    const last = nodes.at(-1);
    const resolved = `/${at.join("/")}`;
    return last === undefined || last === missing
      ? { path: resolved, links }
      : { path: resolved, entry: last.entry, links };
  }

  /**
   * This tree with `upper` laid over it: where both have a directory the contents are merged and the upper
   * attributes win, unless nobody described them ({@link impliedDirectory}); anything else of the upper tree
   * replaces what was there.
   */
  overlay(upper: Tree): Tree {
    return new Tree(overlayNode(this.top, upper.top));
  }

  /**
   * The entries for which `keep` answers yes. A directory above a kept entry stays whether or not it was asked
   * for, so the result is a tree.
   */
  filter(keep: (path: TreePath, entry: Entry) => boolean): Tree {
    const children = filterChildren(this.top, "/", keep);
    return new Tree({ entry: this.top.entry, children });
  }

  /** This tree with `tree` laid over it at the directory `at`; missing directories above are made. */
  place(tree: Tree, at: TreePath, parents: DirectoryEntry = impliedDirectory): Tree {
    let node: TreeNode = tree.top;
    for (const part of partsOf(at).reverse()) {
      node = { entry: parents, children: new Map([[part, node]]) };
    }
    return new Tree(placeNode(this.top, node, partsOf(at).length));
  }

  /** The subtree below a directory as a tree of its own; empty when it is not a directory. */
  below(path: TreePath): Tree {
    const node = this.node(path);
    return node?.children === undefined ? Tree.empty : new Tree(node);
  }

  /** Every entry passed through `change`; the shape stays. A directory must stay a directory. */
  map(change: (path: TreePath, entry: Entry) => Entry): Tree {
    return new Tree(mapNode(this.top, "/", change));
  }

  /** Without the entry at a path and all below it. */
  without(path: TreePath): Tree {
    return this.has(path) ? new Tree(removeNode(this.top, partsOf(path))) : this;
  }
}

/** Stands where nothing is while a path is followed. */
const missing: TreeNode = { entry: impliedDirectory, children: new Map() };

function countNodes(node: TreeNode): number {
  let count = 1;
  for (const child of node.children?.values() ?? []) {
    count += child.children === undefined ? 1 : countNodes(child);
  }
  return count;
}

function overlayNode(lower: TreeNode | undefined, upper: TreeNode): TreeNode {
  if (lower === undefined || lower === upper) return upper;
  if (upper.children === undefined || lower.children === undefined) return upper;
  // A directory that was only made on the way to something says nothing of one that was described.
  const entry = upper.entry === impliedDirectory ? lower.entry : upper.entry;
  if (upper.children.size === 0) return { entry, children: lower.children };
  const children = new Map(lower.children);
  for (const [name, child] of upper.children) children.set(name, overlayNode(children.get(name), child));
  return { entry, children };
}

/** Like overlay, but the first `depth` directories of the upper side only make what is missing. */
function placeNode(lower: TreeNode | undefined, upper: TreeNode, depth: number): TreeNode {
  if (depth === 0 || lower?.children === undefined || upper.children === undefined) {
    return overlayNode(lower, upper);
  }
  const children = new Map(lower.children);
  for (const [name, child] of upper.children) {
    children.set(name, placeNode(children.get(name), child, depth - 1));
  }
  return { entry: lower.entry, children };
}

function filterChildren(
  node: TreeNode,
  path: TreePath,
  keep: (path: TreePath, entry: Entry) => boolean,
): ReadonlyMap<string, TreeNode> {
  const children = new Map<string, TreeNode>();
  for (const name of sortedNames(node.children ?? new Map())) {
    const child = node.children?.get(name);
    if (child === undefined) continue;
    const at = childOf(path, name);
    if (child.children === undefined) {
      if (keep(at, child.entry)) children.set(name, child);
      continue;
    }
    const inside = filterChildren(child, at, keep);
    if (inside.size > 0 || keep(at, child.entry)) {
      children.set(name, { entry: child.entry, children: inside });
    }
  }
  return children;
}

function mapNode(node: TreeNode, path: TreePath, change: (path: TreePath, entry: Entry) => Entry): TreeNode {
  const entry = path === "/" ? node.entry : change(path, node.entry);
  if (node.children === undefined) return entry === node.entry ? node : { entry };
  const children = new Map<string, TreeNode>();
  let same = entry === node.entry;
  for (const [name, child] of node.children) {
    const changed = mapNode(child, childOf(path, name), change);
    same &&= changed === child;
    children.set(name, changed);
  }
  return same ? node : { entry, children };
}

function removeNode(node: TreeNode, parts: readonly string[]): TreeNode {
  const [first, ...rest] = parts;
  if (first === undefined || node.children === undefined) return node;
  const children = new Map(node.children);
  const child = children.get(first);
  if (child === undefined) return node;
  if (rest.length === 0) children.delete(first);
  else children.set(first, removeNode(child, rest));
  return { entry: node.entry, children };
}
