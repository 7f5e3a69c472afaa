import { changes, type Tree, treePath } from "../../tree/index.ts";
import { findOwner } from "../copy/owner.ts";
import { CopyTarget } from "../copy/target.ts";
import { type Executor, inputOf } from "../executor.ts";
import type { Step } from "../graph.ts";
import { type LayeredValue, layered, layeredDigest } from "./layered-value.ts";
import { treeOfInput } from "./tree-value.ts";

/** What a step that makes a working directory is told. */
export type WorkdirParameters = {
  readonly path: string;
  /** Who the directories that are made belong to, as `--chown` takes it. */
  readonly owner?: string;
  readonly mtime: number;
};

/** What a step that makes a working directory knows beside. */
export interface WorkdirLocal {
  /** The time that was asked for, if any: `SOURCE_DATE_EPOCH`. */
  readonly epoch?: number;
}

/** A step that makes a directory and those above it where they are missing. */
export function workdirStep(
  lower: Step,
  parameters: WorkdirParameters,
  local: WorkdirLocal,
  label?: string,
): Step {
  return { kind: "workdir", ...(label === undefined ? {} : { label }), parameters, inputs: { lower }, local };
}

export const workdirExecutor: Executor = {
  kind: "workdir",
  version: 1,
  cached: true,
  async run(step, inputs) {
    const lower = inputOf(inputs, "lower");
    const value = await made(step, await treeOfInput(lower));
    return { digest: await layeredDigest(lower, value.changes), record: null, value };
  },
  load: async (step, _outcome, inputs) => made(step, await treeOfInput(inputOf(inputs, "lower"))),
};

async function made(step: Step, lower: Tree): Promise<LayeredValue> {
  const { path, owner, mtime } = step.parameters as WorkdirParameters;
  const rules = { now: mtime, ...(owner === undefined ? {} : { owner: await findOwner(owner, lower) }) };
  const target = new CopyTarget(lower, rules);
  target.makeDirectories(treePath(path));
  return layered(lower, changes(lower, target.builder.tree()));
}
