import { join } from "node:path";
import type { Image } from "../../image/index.ts";
import type { Digest } from "../../io/index.ts";
import { Tree } from "../../tree/index.ts";
import type { Executor } from "../executor.ts";
import type { Step } from "../graph.ts";
import { memberLists } from "./member-lists.ts";
import type { TreeValue } from "./tree-value.ts";

/** What a base step needs that is no part of its key. */
export interface BaseLocal {
  readonly image: Image;
  /** Where its layers are unpacked to. */
  readonly cacheDirectory: string;
}

/** A step that brings the file tree of an image. */
export function baseStep(digest: Digest, local: BaseLocal): Step {
  return { kind: "base", parameters: { digest }, inputs: {}, local };
}

/** The tree is read when somebody looks at it. */
export const baseExecutor: Executor = {
  kind: "base",
  version: 1,
  cached: false,
  run: async (_step, _inputs, { key }) => ({ digest: key, record: null }),
  async load(step, _outcome, _inputs, work): Promise<TreeValue> {
    const { readTree, windowsFiles } = await import("../../image/index.ts");
    const { image, cacheDirectory } = step.local as BaseLocal;
    const unpacked = join(cacheDirectory, "layers");
    const tree = await readTree(image, { unpacked, members: memberLists(cacheDirectory), work });
    const { os } = await image.platform();
    return { tree: os === "windows" && tree.has(windowsFiles) ? tree.below(windowsFiles) : tree };
  },
};

/** A step that stands for nothing at all: what `FROM scratch` starts with. */
export const scratchStep: Step = { kind: "scratch", parameters: null, inputs: {} };

export const scratchExecutor: Executor = {
  kind: "scratch",
  version: 1,
  cached: false,
  run: async (_step, _inputs, { key }) => ({ digest: key, record: null }),
  load: async (): Promise<TreeValue> => ({ tree: Tree.empty }),
};
