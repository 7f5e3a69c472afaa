import { type Digest, sha256 } from "../../io/index.ts";
import type { SnapshotLayer } from "../../sandbox/index.ts";
import { apply, type Changes, type Tree } from "../../tree/index.ts";
import { changesDigest } from "../changes-digest.ts";
import type { Input } from "../executor.ts";
import { type TreeValue, treeOfInput } from "./tree-value.ts";

/** The name of the input that a step which makes a {@link LayeredValue} stands on. */
export const lowerInput = "lower";

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

/** A step's tree as the layers that it was made of, lowest first. */
export function layersOf(input: Input): SnapshotLayer[] {
  const lower = input.inputs[lowerInput];
  const own = { key: input.digest, tree: () => treeOfInput(input) };
  if (lower === undefined) return [own];
  const changes = async (): Promise<Changes> => (await input.value<LayeredValue>()).changes;
  return [...layersOf(lower), { ...own, changes }];
}
