import type { Tree } from "../tree/index.ts";

/** Makes a value of a tree once and remembers it as long as the tree lives. */
export function perTree<V>(make: (tree: Tree) => V): (tree: Tree) => V {
  const made = new WeakMap<Tree, { readonly value: V }>();
  return (tree) => {
    let known = made.get(tree);
    if (known === undefined) {
      known = { value: make(tree) };
      made.set(tree, known);
    }
    return known.value;
  };
}
