import type { LayerRecord } from "../../image/index.ts";
import { type Progress, sha256 } from "../../io/index.ts";
import type { Changes, Tree } from "../../tree/index.ts";
import { type Executor, inputOf } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import type { Compression, LayerWriter } from "../layers/index.ts";
import type { LayeredValue } from "./layered-value.ts";
import type { TreeValue } from "./tree-value.ts";

/**
 * A step that writes a tree as a layer; of a step that changes a tree, the changes.
 *
 * @param newest - seconds since the epoch that no file's time is after
 */
export function layerStep(
  tree: Step,
  what: string,
  compression: Compression,
  platform?: string,
  newest?: number,
): Step {
  return {
    kind: "layer",
    label: `write the layer of ${what}`,
    ...(platform === undefined ? {} : { platform }),
    parameters: { compression, ...(newest === undefined ? {} : { newest }) },
    inputs: { tree },
  };
}

type LayerParameters = { readonly compression: Compression; readonly newest?: number };

/** Its record is a `LayerRecord`. */
export function layerExecutor(writeLayer: LayerWriter): Executor {
  return {
    kind: "layer",
    version: 2,
    cached: true,
    async run(step, inputs, work) {
      const { compression, newest } = step.parameters as LayerParameters;
      const value = await inputOf(inputs, "tree").value<TreeValue | LayeredValue>();
      const whole = "changes" in value ? value.changes : value.tree;
      const from = newest === undefined ? whole : notAfter(whole, newest);
      // The step is what is shown; the writer's bytes are its progress.
      const progress: Progress = (event) => {
        if (event.kind === "bytes") work.progress({ ...event, id: work.key });
      };
      const layer: LayerRecord = await writeLayer(from, compression, { ...work, progress });
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
