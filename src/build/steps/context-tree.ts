import { changesDigest } from "../changes-digest.ts";
import { type Context, type ContextFilter, readContext } from "../context.ts";
import type { Executor } from "../executor.ts";
import type { Step } from "../graph.ts";
import type { TreeValue } from "./tree-value.ts";

/** A context with what is left out of it. */
export interface FilteredContext extends Context, ContextFilter {}

/** A step that reads a whole directory of the host, as COPY sees it: everything is root's. */
export function contextStep(name: string, context: FilteredContext): Step {
  return { kind: "context", parameters: { name }, inputs: {}, local: context };
}

/** Reads the context again in every build; one with equal contents comes to the same digest, whatever the times. */
export const contextExecutor: Executor = {
  kind: "context",
  version: 1,
  cached: false,
  async run(step, _inputs, { signal }) {
    const context = step.local as FilteredContext;
    const read = await readContext(context, ".", signal, {
      ...context,
      special: "as BuildKit",
      owner: "root",
    });
    const { tree } = read;
    const digest = await changesDigest({ added: tree, removed: [], opaque: [] }, "without times");
    const value: TreeValue = { tree };
    return { digest, record: null, value };
  },
};
