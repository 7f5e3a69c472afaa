import type { LayerRecord } from "../../image/index.ts";
import { digestOfJson, type Progress, sha256 } from "../../io/index.ts";
import type { Changes, Tree } from "../../tree/index.ts";
import { type Executor, inputOf } from "../executor.ts";
import type { Json, Outcome, Step } from "../graph.ts";
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

/**
 * Its record is a `LayerRecord`.
 *
 * @param expectLayer - told that a layer will follow whose making takes about as long as getting ready for it
 */
export function layerExecutor(writeLayer: LayerWriter, expectLayer?: () => void): Executor {
  return {
    kind: "layer",
    version: 2,
    cached: true,
    expect(step) {
      if (step.inputs["tree"]?.kind === "carve") expectLayer?.();
    },
    async run(step, inputs, work) {
      const { compression, newest, windows } = step.parameters as LayerParameters;
      const value = await inputOf(inputs, "tree").value<TreeValue & Partial<LayeredValue>>();
      const { written } = value;
      if (written !== undefined && digestOfJson(written.parameters) === digestOfJson(step.parameters)) {
        return layerOutcome(written.layer);
      }
      const whole = value.changes ?? value.tree;
      const from = newest === undefined ? whole : notAfter(whole, newest);
      // The step is what is shown; the writer's bytes are its progress.
      const progress: Progress = (event) => {
        if (event.kind === "bytes") work.progress({ ...event, id: work.key });
      };
      const layer: LayerRecord = await writeLayer(from, compression, { ...work, progress }, windows);
      return layerOutcome(layer);
    },
  };
}

/** What a step comes to whose layer is this one. */
export function layerOutcome(layer: LayerRecord): Outcome {
  return {
    digest: sha256(`${layer.diffId} ${layer.descriptor.digest}`),
    record: layer as unknown as Json,
    blobs: [layer.descriptor.digest],
  };
}

/**
 * The layer of its changes just as they are that somebody wants of a step. None where other steps stand on it as well:
 * they would wait for the compression, which is done beside them.
 */
export function wantedLayer(
  dependents: readonly Step[],
): { readonly compression: Compression; readonly parameters: Json } | undefined {
  if (dependents.some(({ kind }) => kind !== "layer")) return undefined;
  for (const { parameters } of dependents) {
    const { compression, newest, windows } = parameters as LayerParameters;
    if (newest === undefined && windows === undefined) return { compression, parameters };
  }
  return undefined;
}

/** How a layer is to be packed of which any packing will do that is compressed so; undefined where more is asked. */
export function askedCompression({ parameters }: Step): Compression["type"] | undefined {
  const { compression, newest, windows } = parameters as LayerParameters;
  const isPlain = newest === undefined && windows === undefined && compression.level === undefined;
  return isPlain ? compression.type : undefined;
}

function notAfter(from: Tree | Changes, newest: number): Tree | Changes {
  const earlier = (tree: Tree): Tree =>
    tree.map((_path, entry) => (entry.mtime > newest ? { ...entry, mtime: newest } : entry));
  return "added" in from ? { ...from, added: earlier(from.added) } : earlier(from);
}
