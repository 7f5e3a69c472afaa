import { bytesContent, sha256 } from "../../io/index.ts";
import { attributes, treeOf } from "../../tree/index.ts";
import type { Executor } from "../executor.ts";
import type { Step } from "../graph.ts";
import type { TreeValue } from "./tree-value.ts";

/** A file whose content stands in the Dockerfile. */
export type InlineFile = { readonly name: string; readonly content: string; readonly mode: number };

/** A step that makes a tree of such files, all at its top. */
export function inlineStep(files: readonly InlineFile[], mtime: number): Step {
  return { kind: "inline", parameters: { files, mtime }, inputs: {} };
}

export const inlineExecutor: Executor = {
  kind: "inline",
  version: 1,
  cached: false,
  run: async (_step, _inputs, { key }) => ({ digest: key, record: null }),
  async load(step): Promise<TreeValue> {
    const { files, mtime } = step.parameters as { files: readonly InlineFile[]; mtime: number };
    const tree = treeOf(
      files.map(({ name, content, mode }) => {
        const bytes = Buffer.from(content, "utf8");
        const file = { type: "file" as const, content: bytesContent(bytes, sha256(bytes)) };
        return [`/${name}`, { ...file, ...attributes(mode, { mtime }) }] as const;
      }),
    );
    return { tree };
  },
};
