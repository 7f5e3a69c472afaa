import type { BlobSink, LayerRecord } from "../../image/index.ts";
import { type DeflatedBlocks, type Progress, sha256 } from "../../io/index.ts";
import { type Executor, inputOf } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import type { LayeredValue } from "./layered-value.ts";
import type { TreeValue } from "./tree-value.ts";

/** How layers are compressed. */
export type Compression = { readonly type: "gzip" | "zstd" | "none"; readonly level?: number };

/** A step that writes a tree as a layer; of a step that changes a tree, the changes. */
export function layerStep(tree: Step, what: string, compression: Compression, platform?: string): Step {
  return {
    kind: "layer",
    label: `write the layer of ${what}`,
    ...(platform === undefined ? {} : { platform }),
    parameters: { compression },
    inputs: { tree },
  };
}

/** Its record is a `LayerRecord`. Deflated files of packages are taken from and put into `deflated`. */
export function layerExecutor(sink: BlobSink, deflated: DeflatedBlocks): Executor {
  return {
    kind: "layer",
    version: 2,
    cached: true,
    async run(step, inputs, work) {
      const { writeLayer } = await import("../../image/index.ts");
      const { compression } = step.parameters as { compression: Compression };
      const value = await inputOf(inputs, "tree").value<TreeValue | LayeredValue>();
      const from = "changes" in value ? value.changes : value.tree;
      // The step is what is shown; the writer's bytes are its progress.
      const progress: Progress = (event) => {
        if (event.kind === "bytes") work.progress({ ...event, id: work.key });
      };
      const layer: LayerRecord = await writeLayer(from, sink, {
        compression,
        deflated,
        work: { ...work, progress },
      });
      return {
        digest: sha256(`${layer.diffId} ${layer.descriptor.digest}`),
        record: layer as unknown as Json,
        blobs: [layer.descriptor.digest],
      };
    },
  };
}
