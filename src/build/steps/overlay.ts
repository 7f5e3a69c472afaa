import { Tree } from "../../tree/index.ts";
import type { Executor } from "../executor.ts";
import type { Step } from "../graph.ts";
import { type TreeValue, treeOfInput } from "./tree-value.ts";

/** A step that lays trees over one another, the first at the bottom. */
export function overlayStep(trees: readonly Step[]): Step {
  const inputs = Object.fromEntries(trees.map((tree, index) => [String(index).padStart(4, "0"), tree]));
  return { kind: "overlay", parameters: null, inputs };
}

export const overlayExecutor: Executor = {
  kind: "overlay",
  version: 1,
  cached: false,
  run: async (_step, _inputs, { key }) => ({ digest: key, record: null }),
  async load(_step, _outcome, inputs): Promise<TreeValue> {
    const names = Object.keys(inputs).sort();
    let tree = Tree.empty;
    for (const name of names) {
      const input = inputs[name];
      if (input !== undefined) tree = tree.overlay(await treeOfInput(input));
    }
    return { tree };
  },
};
