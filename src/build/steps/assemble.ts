import type {
  BlobSink,
  ContainerConfig,
  Descriptor,
  History,
  LayerRecord,
  Platform,
} from "../../image/index.ts";
import type { Digest } from "../../io/index.ts";
import { type Executor, inputOf } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import type { ImageRecord } from "./image.ts";

/** A layer of a base image, which is taken over as it is. */
export type BaseLayer = { readonly descriptor: Descriptor; readonly diffId: Digest };

/** What an assembling step is told. */
export type AssembleParameters = {
  readonly platform: Platform;
  /** What an index lists it as, where that is not the platform that its configuration states. */
  readonly listedAs?: Platform;
  readonly config: ContainerConfig;
  readonly history: readonly History[];
  readonly author?: string;
  /** RFC 3339. */
  readonly created?: string;
  /** The lowest layers. */
  readonly base: readonly BaseLayer[];
  /** How many layers the inputs `layer0`, `layer1`… hold. */
  readonly layers: number;
  /** Write documents and name layers with Docker's media types (manifest version 2, schema 2). */
  readonly docker?: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
};

/** A step that makes an image of a base's layers and further ones, with a history that somebody else wrote. */
export function assembleStep(
  layers: readonly Step[],
  parameters: Omit<AssembleParameters, "layers">,
  platform: string,
): Step {
  return {
    kind: "assemble",
    platform,
    parameters: { ...parameters, layers: layers.length } as unknown as Json,
    inputs: Object.fromEntries(layers.map((layer, index) => [`layer${index}`, layer])),
  };
}

/** Its record is an `ImageRecord`. */
export function assembleExecutor(sink: BlobSink): Executor {
  return {
    kind: "assemble",
    version: 2,
    cached: true,
    async run(step, inputs) {
      const { writeImage } = await import("../../image/index.ts");
      const { layers, base, ...parts } = step.parameters as unknown as AssembleParameters;
      const own = Array.from(
        { length: layers },
        (_, index) => inputOf(inputs, `layer${index}`).record as unknown as LayerRecord,
      );
      const descriptor = await writeImage(sink, { ...parts, layers: [...base, ...own], bare: true });
      const record: ImageRecord = { descriptor, base: base.map((layer) => layer.descriptor), layers: own };
      return {
        digest: descriptor.digest,
        record: record as unknown as Json,
        blobs: [descriptor.digest, ...record.base.map(({ digest }) => digest)],
      };
    },
  };
}
