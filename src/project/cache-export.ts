import type { Compression, Solver } from "../build/index.ts";
import {
  type CacheDocument,
  cacheConfigType,
  serializeCacheDocument,
  unpackedAnnotation,
} from "../buildkit/index.ts";
import {
  type Descriptor,
  documentLimits,
  layerMediaType,
  mediaTypes,
  overlaySource,
} from "../image/index.ts";
import {
  bytesContent,
  type Content,
  canonicalJson,
  type Digest,
  digestOfJson,
  gzip,
  isDigest,
  sha256,
  WhittleError,
  zstd,
} from "../io/index.ts";
import { openCache } from "../store/index.ts";
import { type CacheHome, type CachePlace, placeName, writePlace } from "./cache-place.ts";
import { type KeptSteps, keptSteps } from "./cache-records.ts";

/** Where a build's cache goes, and how it is written there. */
export interface CacheTarget {
  /** `inline`: into the image itself. */
  readonly place: CachePlace | { readonly kind: "inline" };
  /** `min`: the layers of the image; `max`: whatever any step came to. Both know of every step. */
  readonly mode: "min" | "max";
  /** As an image's manifest, which every registry takes, or as an index of layers (BuildKit before 0.21). */
  readonly imageManifest: boolean;
  /** Docker's media types in place of OCI's; of an index only. */
  readonly docker: boolean;
  /** Of what no image has as a layer. */
  readonly compression: Compression;
  /** A cache that cannot be written is a warning. */
  readonly ignoreErrors: boolean;
}

/**
 * Writes what a build's steps came to as a cache of BuildKit's form, so that another machine need not run them. A
 * cache that was there under the same name is replaced.
 *
 * @param solvers - what the build was solved with
 * @throws WhittleError `IMAGE_INVALID` for one that is too large to be read again, `DISK_FULL`, `PERMISSION`,
 *   `STORE_INVALID`, `REGISTRY_DENIED`, `NETWORK`
 */
export async function exportCache(
  solvers: readonly Solver[],
  target: CacheTarget,
  home: CacheHome,
): Promise<void> {
  const { place, mode } = target;
  if (place.kind === "inline") return;
  try {
    const kept = await keptSteps(solvers, mode);
    const carried = await carriedBlobs(kept, target, home);
    const config = serializeCacheDocument(documentOf(kept, carried));
    requireReadable(config, "its document", place);
    const { bytes, mediaType } = manifestOf(carried, config, target);
    requireReadable(bytes, "its manifest", place);
    const documents = new Map<string, Content>();
    const added = (text: Buffer): Digest => {
      const digest = sha256(text);
      documents.set(digest, bytesContent(text, digest));
      return digest;
    };
    added(config);
    const descriptor = { mediaType, digest: added(bytes), size: bytes.length };
    await writePlace(place, overlaySource(documents, home.store), descriptor, home);
  } catch (error) {
    if (!target.ignoreErrors || !(error instanceof WhittleError) || home.signal.aborted) throw error;
    const text = `the cache ${placeName(place)} was not written: ${error.message}`;
    home.progress({ kind: "warning", text });
  }
}

/** Nobody reads documents beyond the limit, so none is written. */
function requireReadable(document: Uint8Array, what: string, place: CachePlace): void {
  if (document.length <= documentLimits.bytes) return;
  throw new WhittleError(
    "IMAGE_INVALID",
    `Cannot write the cache ${placeName(place)}: ${what} has ${document.length} bytes, at most ${documentLimits.bytes} are read`,
    { hint: "build fewer images or platforms at once, each with a cache of its own" },
  );
}

/** The blobs that go with a cache, in the order of their digests; a blob that the store has not does not go. */
async function carriedBlobs(
  { blobs, unpacked, layers }: KeptSteps,
  { compression }: CacheTarget,
  home: CacheHome,
): Promise<readonly Descriptor[]> {
  const { store, signal } = home;
  const packed = new Map([...layers].map(([diffId, layer]) => [layer.packed, { diffId, ...layer }]));
  const found: Descriptor[] = [];
  for (const digest of blobs) {
    const content = await store.content(digest);
    if (content === undefined) continue;
    const layer = packed.get(digest);
    const about = { digest, size: content.size };
    if (layer === undefined) found.push({ mediaType: "application/octet-stream", ...about });
    else found.push(layerDescriptor(layer.mediaType, about, layer.diffId));
  }
  for (const digest of unpacked) {
    signal.throwIfAborted();
    const about = await packedForm(digest, compression, home);
    if (about !== undefined) found.push(layerDescriptor(layerMediaType(compression), about, digest));
  }
  return found.sort((a, b) => (a.digest < b.digest ? -1 : 1));
}

function layerDescriptor(
  mediaType: string,
  about: { readonly digest: Digest; readonly size: number },
  diffId: Digest,
): Descriptor {
  return { mediaType, ...about, annotations: { [unpackedAnnotation]: diffId } };
}

/** Compresses what a command left, once: the store remembers what it came to. */
async function packedForm(
  tar: Digest,
  compression: Compression,
  { store, signal }: CacheHome,
): Promise<{ readonly digest: Digest; readonly size: number } | undefined> {
  const memory = openCache(store.directory);
  const key = digestOfJson({ packed: tar, compression });
  const known = (await memory.get(key)) as { digest?: unknown; size?: unknown } | undefined;
  if (typeof known?.digest === "string" && isDigest(known.digest) && (await store.has(known.digest))) {
    return { digest: known.digest, size: Number(known.size) };
  }
  const content = await store.content(tar);
  if (content === undefined) return undefined;
  if (compression.type === "none") return { digest: tar, size: content.size };
  const options = { signal, ...(compression.level === undefined ? {} : { level: compression.level }) };
  const bytes = compression.type === "gzip" ? gzip(content.open(), options) : zstd(content.open(), options);
  const about = await store.add(bytes);
  await memory.set(key, about, { blobs: [about.digest] });
  return about;
}

/** Whittle's steps come to single layers, so none stands on another. */
function documentOf({ outcomes, layers }: KeptSteps, carried: readonly Descriptor[]): CacheDocument {
  const listed = carried.filter(({ annotations }) => annotations !== undefined);
  const places = new Map<string, number>();
  for (const [at, { digest, annotations }] of listed.entries()) {
    places.set(digest, at).set(annotations?.[unpackedAnnotation] ?? digest, at);
  }
  const layerOfBlob = (blob: Digest): number[] => {
    const at = places.get(blob) ?? places.get(layers.get(blob)?.packed ?? "");
    return at === undefined ? [] : [at];
  };
  return {
    layers: listed.map(({ digest }) => ({ blob: digest, parent: -1 })),
    records: [...outcomes]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, outcome]) => ({
        digest: key,
        results: [...new Set((outcome.blobs ?? []).flatMap(layerOfBlob))].map((layer) => ({ layer })),
        chains: [],
        inputs: [],
        outcome,
      })),
  };
}

const dockerTypes: Readonly<Record<string, string>> = {
  [mediaTypes.layer]: mediaTypes.dockerLayer,
  [mediaTypes.layerGzip]: mediaTypes.dockerLayerGzip,
};

function manifestOf(
  carried: readonly Descriptor[],
  document: Buffer,
  { imageManifest, docker }: CacheTarget,
): { readonly bytes: Buffer; readonly mediaType: string } {
  const config = { mediaType: cacheConfigType, digest: sha256(document), size: document.length };
  const layers = carried.map((item) =>
    docker ? { ...item, mediaType: dockerTypes[item.mediaType] ?? item.mediaType } : item,
  );
  const mediaType = imageManifest ? mediaTypes.manifest : docker ? mediaTypes.dockerIndex : mediaTypes.index;
  const body = imageManifest ? { config, layers } : { manifests: [...layers, config] };
  return { bytes: Buffer.from(canonicalJson({ schemaVersion: 2, mediaType, ...body })), mediaType };
}
