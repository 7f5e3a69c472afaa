// Reading the documents of an image out of whatever holds its blobs.
import { readContent, WhittleError } from "../io/index.ts";
import { documentLimits, parseConfig, parseIndex, parseManifest } from "./manifest.ts";
import {
  type BlobSource,
  type Descriptor,
  type ImageConfig,
  type Index,
  type Manifest,
  mediaTypes,
} from "./types.ts";

/** Reads and checks the manifest that a descriptor names. */
export async function readManifest(source: BlobSource, about: Descriptor): Promise<Manifest> {
  const bytes = await readDocument(source, about);
  const manifest = parseManifest(bytes, `the manifest ${about.digest}`, { bare: true });
  sameType(about, manifest.mediaType);
  return manifest;
}

/** Reads and checks the index that a descriptor names. */
export async function readIndex(source: BlobSource, about: Descriptor): Promise<Index> {
  const found = parseIndex(await readDocument(source, about), `the index ${about.digest}`);
  sameType(about, found.mediaType);
  return found;
}

/**
 * Reads and checks the image configuration that a descriptor names.
 *
 * @throws WhittleError `IMAGE_INVALID`
 */
export async function readConfig(source: BlobSource, about: Descriptor): Promise<ImageConfig> {
  const bytes = await readDocument(source, about);
  try {
    return parseConfig(bytes, `the image configuration ${about.digest}`);
  } catch (error) {
    if (isImageConfig(about)) throw error;
    throw new WhittleError(
      "IMAGE_INVALID",
      `Cannot read the image configuration ${about.digest}: it is ${about.mediaType.slice(0, 100)}, so this is an artifact and no image of a container`,
      { cause: error },
    );
  }
}

/** The configuration of a manifest, or nothing where that is an artifact's (image-spec, "Guidelines for Artifact Usage"). */
export async function configIfImage(source: BlobSource, about: Descriptor): Promise<ImageConfig | undefined> {
  const { config } = await readManifest(source, about);
  // Some tools have given images another type than they should.
  return readConfig(source, config).catch((error: unknown) => {
    const isArtifact =
      error instanceof WhittleError && error.code === "IMAGE_INVALID" && !isImageConfig(config);
    if (isArtifact) return undefined;
    throw error;
  });
}

function isImageConfig({ mediaType }: Descriptor): boolean {
  return mediaType === mediaTypes.config || mediaType === mediaTypes.dockerConfig;
}

/** The verified bytes of a small document. */
export async function readDocument(source: BlobSource, about: Descriptor): Promise<Uint8Array> {
  if (about.size > documentLimits.bytes) {
    throw new WhittleError(
      "IMAGE_INVALID",
      `Cannot read the document ${about.digest}: it has ${about.size} bytes, at most ${documentLimits.bytes} are accepted`,
    );
  }
  return readContent(await source.blob(about));
}

function sameType(about: Descriptor, stated: string | undefined): void {
  if (stated === undefined || stated === about.mediaType) return;
  throw new WhittleError(
    "IMAGE_INVALID",
    `Cannot read ${about.digest}: it calls itself ${stated}, its descriptor says ${about.mediaType}`,
  );
}
