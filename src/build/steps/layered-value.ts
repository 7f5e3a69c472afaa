import { type Digest, sha256 } from "../../io/index.ts";
import { apply, type Changes, type Tree } from "../../tree/index.ts";
import { changesDigest } from "../changes-digest.ts";
import type { Input } from "../executor.ts";
import type { TreeValue } from "./tree-value.ts";

/** The value of a step that changes the tree below it: the whole tree, and what its layer holds. */
export interface LayeredValue extends TreeValue {
  readonly changes: Changes;
}

/** The value of changes over the tree of an input. */
export function layered(lower: Tree, changes: Changes): LayeredValue {
  return { tree: apply(lower, changes), changes };
}

/** The identity of changes over a result: the same files over the same tree, whatever their times. */
export async function layeredDigest(lower: Input, changes: Changes): Promise<Digest> {
  return sha256(`${lower.digest} ${await changesDigest(changes, "without times")}`);
}
