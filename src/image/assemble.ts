import { bytesContent, type Content, type Digest, sha256, WhittleError } from "../io/index.ts";
import { serializeDocument } from "./manifest.ts";
import { normalizePlatform, statedPlatform } from "./platform.ts";
import {
  type BlobSink,
  type ContainerConfig,
  type Descriptor,
  type History,
  type ImageConfig,
  type LayerRecord,
  type Manifest,
  mediaTypes,
  type Platform,
} from "./types.ts";

/** What an image is made of once its layers are written. */
export interface ImageParts {
  readonly platform: Platform;
  /** What an index lists it as, where that is not the platform that its configuration states. */
  readonly listedAs?: Platform;
  readonly config: ContainerConfig;
  /** From the lowest up. */
  readonly layers: readonly Pick<LayerRecord, "descriptor" | "diffId">[];
  /** Leave an image without layers as it is, as BuildKit does; else it gets an empty one. */
  readonly bare?: boolean;
  /** As many lines without `empty_layer` as there are layers; none at all is possible. */
  readonly history?: readonly History[];
  /** RFC 3339; by default the epoch, which everybody reads as "no date", so that equal images are equal. */
  readonly created?: string;
  readonly author?: string;
  /** Of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Name documents and layers by Docker's media types (manifest version 2, schema 2) instead of OCI's. */
  readonly docker?: boolean;
}

const dockerLayerTypes: Readonly<Record<string, string>> = {
  [mediaTypes.layer]: mediaTypes.dockerLayer,
  [mediaTypes.layerGzip]: mediaTypes.dockerLayerGzip,
};

/** Writes configuration and manifest; the answer names the manifest and states its platform. */
export async function writeImage(sink: BlobSink, parts: ImageParts): Promise<Descriptor> {
  const asGiven = parts.bare === true || parts.layers.length > 0;
  const layers = asGiven ? parts.layers : [await writeEmptyLayer(sink)];
  const history = asGiven ? parts.history : undefined;
  const filled = history?.filter((line) => line.empty_layer !== true).length ?? layers.length;
  if (filled !== layers.length) {
    throw new WhittleError(
      "INTERNAL",
      `Internal error: the history tells of ${filled} layers, there are ${layers.length}`,
    );
  }
  const platform = statedPlatform(parts.platform);
  const created = parts.created ?? "1970-01-01T00:00:00Z";
  const config: ImageConfig = {
    ...platform,
    created,
    ...(parts.author === undefined ? {} : { author: parts.author }),
    config: parts.config,
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    // Optional as it is, umoci fails without it.
    ...(history === undefined ? {} : { history: history.map((line) => ({ created, ...line })) }),
  };
  const docker = parts.docker === true;
  const mediaType = docker ? mediaTypes.dockerManifest : mediaTypes.manifest;
  const configType = docker ? mediaTypes.dockerConfig : mediaTypes.config;
  const configBytes = serializeDocument(config);
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType,
    config: blobDescriptor(configType, configBytes),
    layers: layers.map(({ descriptor }) => ({
      ...descriptor,
      mediaType: (docker ? dockerLayerTypes[descriptor.mediaType] : undefined) ?? descriptor.mediaType,
    })),
    ...someAnnotations(parts.annotations),
  };
  const [, written] = await Promise.all([
    writeBlob(sink, configType, configBytes),
    writeBlob(sink, mediaType, serializeDocument(manifest)),
  ]);
  return { ...written, platform: parts.listedAs === undefined ? platform : statedPlatform(parts.listedAs) };
}

/** Writes an index over manifests, in the order given. */
export async function writeIndex(
  sink: BlobSink,
  manifests: readonly Descriptor[],
  annotations?: Readonly<Record<string, string>>,
  mediaType: string = mediaTypes.index,
): Promise<Descriptor> {
  const index = { schemaVersion: 2, mediaType, manifests, ...someAnnotations(annotations) } as const;
  return writeBlob(sink, mediaType, serializeDocument(index));
}

/** Something that is said about an image without being part of it: reasons, a bill of materials, a signature. */
export interface Artifact {
  readonly artifactType: string;
  readonly subject: Descriptor;
  readonly blobs: readonly { readonly mediaType: string; readonly content: Content }[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Writes an artifact manifest with a subject (image-spec 1.1, "Guidelines for Artifact Usage"); attach it to list it. */
export async function writeArtifact(sink: BlobSink, artifact: Artifact): Promise<Descriptor> {
  const { artifactType, subject } = artifact;
  const layers: Descriptor[] = [];
  for (const { mediaType, content } of artifact.blobs) {
    const { digest, size } = content;
    const expected = digest === undefined ? {} : { digest, size };
    layers.push({ mediaType, ...(await sink.add(content.open(), expected)) });
  }
  const empty = Buffer.from("{}");
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    artifactType,
    config: blobDescriptor(mediaTypes.empty, empty),
    layers,
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
    ...someAnnotations(artifact.annotations),
  };
  const [, written] = await Promise.all([
    writeBlob(sink, mediaTypes.empty, empty),
    writeBlob(sink, mediaTypes.manifest, serializeDocument(manifest)),
  ]);
  return { ...written, artifactType };
}

/** Puts a document into a sink; answers with its descriptor. */
export async function writeBlob(sink: BlobSink, mediaType: string, bytes: Uint8Array): Promise<Descriptor> {
  const { digest, size } = blobDescriptor(mediaType, bytes);
  return { mediaType, ...(await sink.add(bytesContent(bytes).open(), { digest, size })) };
}

/** What names a document, whether or not it is written yet. */
function blobDescriptor(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: sha256(bytes), size: bytes.length };
}

/** The platform of an image configuration, normalised. */
export function configPlatform(config: ImageConfig): Platform {
  return normalizePlatform({
    os: config.os,
    architecture: config.architecture,
    ...(config.variant === undefined ? {} : { variant: config.variant }),
    ...(config["os.version"] === undefined ? {} : { "os.version": config["os.version"] }),
  });
}

/** A manifest has to have a layer; an image of nothing but configuration gets a tar without members. */
async function writeEmptyLayer(sink: BlobSink): Promise<LayerRecord> {
  const descriptor = await writeBlob(sink, mediaTypes.layer, new Uint8Array(1024));
  return { descriptor, diffId: descriptor.digest satisfies Digest, unpackedSize: 1024, files: 0 };
}

function someAnnotations(annotations: Readonly<Record<string, string>> | undefined): {
  annotations?: Readonly<Record<string, string>>;
} {
  return annotations === undefined || Object.keys(annotations).length === 0 ? {} : { annotations };
}
