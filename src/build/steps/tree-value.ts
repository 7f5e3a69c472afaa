import type { Tree } from "../../tree/index.ts";
import type { Input } from "../executor.ts";

/** The value of every step that makes a tree. */
export interface TreeValue {
  readonly tree: Tree;
}

/** The tree that an input step made. */
export async function treeOfInput(input: Input): Promise<Tree> {
  return (await input.value<TreeValue>()).tree;
}
