import type {
  BlobSink,
  BlobSource,
  ContainerConfig,
  Descriptor,
  History,
  LayerRecord,
  Platform,
} from "../../image/index.ts";
import { type Executor, inputOf } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import type { CarveRecord } from "./carve.ts";
import type { SimulationRecord } from "./simulate.ts";

/** What an image step is told. */
export type ImageParameters = {
  readonly platform: Platform;
  readonly config: ContainerConfig;
  /** What made each layer, in the layers' order. */
  readonly layers: readonly string[];
  /** RFC 3339; absent where nobody said a date. */
  readonly created?: string;
  readonly annotations?: Readonly<Record<string, string>>;
};

/** A step that makes an image of layers. `simulation` gives defaults for what the recipe's config leaves open. */
export function imageStep(
  inputs: { readonly layers: readonly Step[]; readonly simulation?: Step },
  parameters: ImageParameters,
  platform: string,
): Step {
  const named = Object.fromEntries(inputs.layers.map((layer, index) => [`layer${index}`, layer]));
  return {
    kind: "image",
    platform,
    parameters: parameters as unknown as Json,
    inputs: { ...named, ...(inputs.simulation === undefined ? {} : { simulation: inputs.simulation }) },
  };
}

/** What an image step's record holds. */
export type ImageRecord = {
  readonly descriptor: Descriptor;
  /** The lowest layers, where they were taken over from a base image. */
  readonly base: readonly Descriptor[];
  /** The layers that were made, which lie over those of the base. */
  readonly layers: readonly LayerRecord[];
};

export function imageExecutor(sink: BlobSink): Executor {
  return {
    kind: "image",
    version: 2,
    cached: true,
    async run(step, inputs) {
      const { writeImage } = await import("../../image/index.ts");
      const parameters = step.parameters as unknown as ImageParameters;
      const simulation = inputs["simulation"]?.record as unknown as SimulationRecord | undefined;
      const layers = parameters.layers.map(
        (_, index) => inputOf(inputs, `layer${index}`).record as unknown as LayerRecord,
      );
      const history = parameters.layers.map((by): History => ({ ...created(parameters), created_by: by }));
      const descriptor = await writeImage(sink, {
        platform: parameters.platform,
        config: mergeConfig(simulation?.config, parameters.config),
        layers,
        history,
        ...created(parameters),
        ...(parameters.annotations === undefined ? {} : { annotations: parameters.annotations }),
      });
      const record: ImageRecord = { descriptor, base: [], layers };
      return { digest: descriptor.digest, record: record as unknown as Json, blobs: [descriptor.digest] };
    },
  };
}

function created(parameters: ImageParameters): { readonly created?: string } {
  return parameters.created === undefined ? {} : { created: parameters.created };
}

/** A simulation's defaults under a recipe's own words; environments and labels are merged by name. */
export function mergeConfig(
  defaults: Partial<ContainerConfig> | undefined,
  own: ContainerConfig,
): ContainerConfig {
  if (defaults === undefined) return own;
  const merged = { ...defaults, ...own };
  const env = new Map(
    [...(defaults.Env ?? []), ...(own.Env ?? [])].map((line) => [line.split("=")[0] ?? "", line]),
  );
  return {
    ...merged,
    ...(env.size === 0 ? {} : { Env: [...env.values()] }),
    ...(defaults.Labels === undefined && own.Labels === undefined
      ? {}
      : { Labels: { ...defaults.Labels, ...own.Labels } }),
  };
}

/** A step that attaches the reasons of a carved image to it, as a referrer (image-spec, "subject"). */
export function reasonsStep(image: Step, carve: Step): Step {
  return { kind: "reasons", parameters: null, inputs: { image, carve } };
}

/** Its record is the referrer's descriptor. */
export function reasonsExecutor(blobs: BlobSink & BlobSource): Executor {
  return {
    kind: "reasons",
    version: 1,
    cached: true,
    async run(_step, inputs) {
      const { mediaTypes, writeArtifact } = await import("../../image/index.ts");
      const image = inputOf(inputs, "image").record as unknown as ImageRecord;
      const carve = inputOf(inputs, "carve");
      const { reasons } = carve.record as unknown as CarveRecord;
      await carve.settled;
      const mediaType = mediaTypes.reasons;
      const descriptor = await writeArtifact(blobs, {
        artifactType: mediaType,
        subject: image.descriptor,
        blobs: [{ mediaType, content: await blobs.blob({ mediaType, ...reasons }) }],
      });
      return {
        digest: descriptor.digest,
        record: descriptor as unknown as Json,
        blobs: [descriptor.digest, reasons.digest],
      };
    },
  };
}

/** What an index says beside what it lists. */
export type IndexParameters = {
  readonly annotations?: Readonly<Record<string, string>>;
  /** Of each descriptor, in the images' order. */
  readonly descriptorAnnotations?: readonly Readonly<Record<string, string>>[];
  /** Docker's media type instead of OCI's. */
  readonly docker?: boolean;
};

/** A step that joins the images of several platforms. */
export function indexStep(
  images: readonly Step[],
  annotations?: Readonly<Record<string, string>>,
  more: Omit<IndexParameters, "annotations"> = {},
): Step {
  return {
    kind: "index",
    parameters: { annotations, ...more },
    inputs: Object.fromEntries(images.map((image, index) => [String(index).padStart(4, "0"), image])),
  };
}

/** Its record is the index's descriptor. */
export function indexExecutor(sink: BlobSink): Executor {
  return {
    kind: "index",
    version: 1,
    cached: true,
    async run(step, inputs) {
      const { mediaTypes, writeIndex } = await import("../../image/index.ts");
      const { annotations, descriptorAnnotations, docker } = step.parameters as IndexParameters;
      const names = Object.keys(inputs).sort();
      const images = names.map((name, at) => {
        const { descriptor } = inputOf(inputs, name).record as unknown as ImageRecord;
        const said = descriptorAnnotations?.[at] ?? {};
        return Object.keys(said).length === 0 ? descriptor : { ...descriptor, annotations: said };
      });
      const mediaType = docker === true ? mediaTypes.dockerIndex : mediaTypes.index;
      const descriptor = await writeIndex(sink, images, annotations, mediaType);
      return { digest: descriptor.digest, record: descriptor as unknown as Json, blobs: [descriptor.digest] };
    },
  };
}
