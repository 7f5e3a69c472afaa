import type { LayerRecord } from "../../image/index.ts";
import { type Digest, sha256 } from "../../io/index.ts";
import type { SnapshotLayer } from "../../sandbox/index.ts";
import { apply, type Changes, changes, type Tree } from "../../tree/index.ts";
import { changesDigest } from "../changes-digest.ts";
import type { Input } from "../executor.ts";
import type { Json } from "../graph.ts";
import { type TreeValue, treeOfInput } from "./tree-value.ts";

/** The name of the input that a step which makes a {@link LayeredValue} stands on. */
export const lowerInput = "lower";

/** The value of a step that changes the tree below it: the whole tree, and what its layer holds. */
export interface LayeredValue extends TreeValue {
  readonly changes: Changes;
  /** A layer that was written of the changes already, and the parameters of the step that wants it. */
  readonly written?: { readonly parameters: Json; readonly layer: LayerRecord };
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
  return [...layersOf(lower), { ...own, changes: () => changesOf(input, lower) }];
}

/** What a step changed: as it says itself, else by comparing its tree with the one below. */
async function changesOf(input: Input, lower: Input): Promise<Changes> {
  const value = await input.value<TreeValue & Partial<LayeredValue>>();
  return value.changes ?? changes(await treeOfInput(lower), value.tree);
}
