import type { Compression, Solver } from "../build/index.ts";
import {
  type CacheRecord,
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
  isDigest,
  sha256,
  WhittleError,
} from "../io/index.ts";
import { LayerTable, layerDescriptor } from "./cache-layers.ts";
import { packedChanges, packedForm } from "./cache-pack.ts";
import { type CacheHome, type CachePlace, placeName, writePlace } from "./cache-place.ts";
import { type KeptSteps, keptSteps, ownRecords, shifted, solvedSteps } from "./cache-records.ts";
import { LayerStacks, type PackedLayer } from "./cache-stacks.ts";
import { buildkitRecords } from "./cache-vertices.ts";

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
    const table = new LayerTable();
    for (const descriptor of await carriedBlobs(kept, target, home)) table.carry(descriptor);
    const own = ownRecords(kept, placesOf(table));
    const theirs = await foreignRecords(solvers, table, target, home);
    const records = [...own, ...shifted(theirs, own.length)];
    const config = serializeCacheDocument({ layers: table.layers, records });
    requireReadable(config, "its document", place);
    const { bytes, mediaType } = manifestOf(table.descriptors, config, target);
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

/** The records by which BuildKit finds the same steps. */
async function foreignRecords(
  solvers: readonly Solver[],
  table: LayerTable,
  { mode, compression }: CacheTarget,
  home: CacheHome,
): Promise<readonly CacheRecord[]> {
  const solved = await solvedSteps(solvers);
  const stacks = new LayerStacks(solved, {
    isThere: (layer) => home.store.has(layer),
    ...(mode === "max" ? { write: (one) => packedChanges(one, compression, home) } : {}),
  });
  const place = (stack: readonly PackedLayer[]): number | undefined => table.place(stack);
  return buildkitRecords(solved, { stacks, place, contents: "at hand" }, home);
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
    else found.push(layerDescriptor({ mediaType: layer.mediaType, ...about }, layer.diffId));
  }
  for (const digest of unpacked) {
    signal.throwIfAborted();
    const about = await packedForm(digest, compression, home);
    if (about !== undefined)
      found.push(layerDescriptor({ mediaType: layerMediaType(compression), ...about }, digest));
  }
  return found.sort((a, b) => (a.digest < b.digest ? -1 : 1));
}

/** Where layers are in a cache, by their packed and by their unpacked form. */
function placesOf(table: LayerTable): ReadonlyMap<Digest, number> {
  const places = new Map(table.layers.map(({ blob }, at) => [blob, at]));
  for (const { digest, annotations } of table.descriptors) {
    const [at, diffId] = [places.get(digest), annotations?.[unpackedAnnotation]];
    if (at !== undefined && diffId !== undefined && isDigest(diffId)) places.set(diffId, at);
  }
  return places;
}

const dockerTypes: Readonly<Record<string, string>> = {
  [mediaTypes.layer]: mediaTypes.dockerLayer,
  [mediaTypes.layerGzip]: mediaTypes.dockerLayerGzip,
};

const ociTypes: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(dockerTypes).map(([oci, docker]) => [docker, oci]),
);

function manifestOf(
  carried: readonly Descriptor[],
  document: Buffer,
  { imageManifest, docker }: CacheTarget,
): { readonly bytes: Buffer; readonly mediaType: string } {
  const config = { mediaType: cacheConfigType, digest: sha256(document), size: document.length };
  // A base's layers may be Docker's.
  const types = docker ? dockerTypes : ociTypes;
  const layers = carried.map((item) => ({ ...item, mediaType: types[item.mediaType] ?? item.mediaType }));
  const mediaType = imageManifest ? mediaTypes.manifest : docker ? mediaTypes.dockerIndex : mediaTypes.index;
  const body = imageManifest ? { config, layers } : { manifests: [...layers, config] };
  return { bytes: Buffer.from(canonicalJson({ schemaVersion: 2, mediaType, ...body })), mediaType };
}
