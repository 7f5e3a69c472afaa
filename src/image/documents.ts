// Reading the documents of an image out of whatever holds its blobs.
import { readContent, WhittleError } from "../io/index.ts";
import { documentLimits, parseConfig, parseIndex, parseManifest } from "./manifest.ts";
import type { BlobSource, Descriptor, ImageConfig, Index, Manifest } from "./types.ts";

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

/** Reads and checks the image configuration that a descriptor names. */
export async function readConfig(source: BlobSource, about: Descriptor): Promise<ImageConfig> {
  return parseConfig(await readDocument(source, about), `the image configuration ${about.digest}`);
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
