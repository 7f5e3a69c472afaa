import type { LayerRecord } from "../../image/index.ts";
import { type Progress, sha256 } from "../../io/index.ts";
import type { Changes, Tree } from "../../tree/index.ts";
import { type Executor, inputOf } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import type { Compression, LayerWriter } from "../layers/index.ts";
import type { LayeredValue } from "./layered-value.ts";
import type { TreeValue } from "./tree-value.ts";

/** How a layer is written beside its compression. */
export type LayerForm = {
  /** Seconds since the epoch that no file's time is after. */
  readonly newest?: number;
  /** As Windows takes layers apart; what the layer itself has is of this time. */
  readonly windows?: { readonly mtime: number };
};

/** A step that writes a tree as a layer; of a step that changes a tree, the changes. */
export function layerStep(
  tree: Step,
  what: string,
  compression: Compression,
  platform?: string,
  form: LayerForm = {},
): Step {
  return {
    kind: "layer",
    label: `write the layer of ${what}`,
    ...(platform === undefined ? {} : { platform }),
    parameters: { compression, ...form },
    inputs: { tree },
  };
}

type LayerParameters = LayerForm & { readonly compression: Compression };

/** Its record is a `LayerRecord`. */
export function layerExecutor(writeLayer: LayerWriter): Executor {
  return {
    kind: "layer",
    version: 2,
    cached: true,
    async run(step, inputs, work) {
      const { compression, newest, windows } = step.parameters as LayerParameters;
      const value = await inputOf(inputs, "tree").value<TreeValue | LayeredValue>();
      const whole = "changes" in value ? value.changes : value.tree;
      const from = newest === undefined ? whole : notAfter(whole, newest);
      // The step is what is shown; the writer's bytes are its progress.
      const progress: Progress = (event) => {
        if (event.kind === "bytes") work.progress({ ...event, id: work.key });
      };
      const layer: LayerRecord = await writeLayer(from, compression, { ...work, progress }, windows);
      return {
        digest: sha256(`${layer.diffId} ${layer.descriptor.digest}`),
        record: layer as unknown as Json,
        blobs: [layer.descriptor.digest],
      };
    },
  };
}

function notAfter(from: Tree | Changes, newest: number): Tree | Changes {
  const earlier = (tree: Tree): Tree =>
    tree.map((_path, entry) => (entry.mtime > newest ? { ...entry, mtime: newest } : entry));
  return "added" in from ? { ...from, added: earlier(from.added) } : earlier(from);
}
