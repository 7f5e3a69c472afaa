import type { Entry } from "./entry.ts";
import { childOf, compareNames, type TreePath } from "./path.ts";
import type { TreeNode } from "./tree.ts";

const surrogate = /[\ud800-\udfff]/;
const sortedCache = new WeakMap<ReadonlyMap<string, TreeNode>, string[]>();

/** The names in a directory in the order of their bytes. */
export function sortedNames(children: ReadonlyMap<string, TreeNode>): string[] {
  let names = sortedCache.get(children);
  if (names === undefined) {
    // The order of UTF-16 is that of bytes unless there are surrogates, and the language itself sorts faster.
    names = [...children.keys()].sort();
    if (names.some((name) => surrogate.test(name))) names.sort(compareNames);
    sortedCache.set(children, names);
  }
  return names;
}

/** A directory that is walked, and how far. */
interface Level {
  readonly path: TreePath;
  readonly children: ReadonlyMap<string, TreeNode>;
  readonly names: readonly string[];
  next: number;
}

/**
 * What is below a node, in byte order, a directory before what is in it.
 *
 * With a stack of its own: generators within generators would pass each entry on as often as it lies
 * deep.
 *
 * @param path - of the node itself, which is left out
 */
export function* walk(start: TreeNode, path: TreePath): Generator<[TreePath, Entry], void, undefined> {
  const levels: Level[] = [];
  const enter = ({ children }: TreeNode, at: TreePath): void => {
    if (children === undefined) return;
    levels.push({ path: at, children, names: sortedNames(children), next: 0 });
  };
  enter(start, path);
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const name = level.names[level.next++];
    if (name === undefined) {
      levels.pop();
      continue;
    }
    const child = level.children.get(name);
    if (child === undefined) continue;
    const at = childOf(level.path, name);
    yield [at, child.entry];
    enter(child, at);
  }
}
