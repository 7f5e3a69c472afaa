import type { BaseLayer } from "../build/index.ts";
import {
  type CacheRecord,
  cacheConfigType,
  parseCacheDocument,
  parseCacheRecords,
  unpackedAnnotation,
} from "../buildkit/index.ts";
import {
  type BlobSource,
  type Descriptor,
  isIndexType,
  mediaTypes,
  readConfig,
  readDocument,
  readIndex,
  readManifest,
} from "../image/index.ts";
import { type Digest, isDigest, WhittleError } from "../io/index.ts";
import type { OpenedImage } from "../store/index.ts";

/** The member of an image's configuration that carries the image's cache. */
export const inlineMember = "moby.buildkit.cache.v0";

/** A layer of a document, and the place of the one below it: -1 for none. */
export interface PlacedLayer {
  /** Undefined where it is not told how it is packed, or what it comes to unpacked. */
  readonly layer: BaseLayer | undefined;
  readonly parent: number;
}

/** What one document of a cache says. */
export interface OpenedDocument {
  readonly digest: Digest;
  readonly records: readonly CacheRecord[];
  readonly layers: readonly PlacedLayer[];
}

/** A cache that was opened: what it knows, and the blobs that it has. */
export interface OpenedCache {
  readonly source: BlobSource;
  readonly documents: readonly OpenedDocument[];
  readonly blobs: readonly Descriptor[];
  /** Layers by their unpacked form. */
  readonly unpacked: ReadonlyMap<Digest, Descriptor>;
}

/**
 * Reads the cache that a manifest or index holds, in any of BuildKit's forms: an image's manifest over a cache
 * document, an index of layers with one, or images that carry records in their configuration.
 *
 * @throws WhittleError `IMAGE_INVALID` when there is no cache in it
 */
export async function openCacheImage({ source, descriptor }: OpenedImage): Promise<OpenedCache> {
  const found = await cacheIn(source, descriptor);
  if (found === undefined) throw new WhittleError("IMAGE_INVALID", "it holds something else than a cache");
  return { source, ...found };
}

type Found = Omit<OpenedCache, "source">;

async function cacheIn(source: BlobSource, descriptor: Descriptor): Promise<Found | undefined> {
  if (!isIndexType(descriptor.mediaType)) return cacheInManifest(source, descriptor);
  const { manifests } = await readIndex(source, descriptor);
  const config = manifests.find(({ mediaType }) => mediaType === cacheConfigType);
  if (config !== undefined) {
    return described(
      source,
      config,
      manifests.filter((item) => item !== config),
    );
  }
  const each = await Promise.all(manifests.map((item) => cacheInManifest(source, item)));
  const inside = each.filter((one) => one !== undefined);
  return inside.length === 0
    ? undefined
    : {
        documents: inside.flatMap(({ documents }) => documents),
        blobs: inside.flatMap(({ blobs }) => blobs),
        unpacked: new Map(inside.flatMap(({ unpacked }) => [...unpacked])),
      };
}

async function cacheInManifest(source: BlobSource, descriptor: Descriptor): Promise<Found | undefined> {
  const { config, layers } = await readManifest(source, descriptor);
  if (config.mediaType === cacheConfigType) return described(source, config, layers);
  const image = (await readConfig(source, config).catch(() => undefined)) as
    | (Awaited<ReturnType<typeof readConfig>> & { readonly [inlineMember]?: unknown })
    | undefined;
  const inline = image?.[inlineMember];
  if (image === undefined || typeof inline !== "string") return undefined;
  const records = parseCacheRecords(recordsOf(inline), layers.length);
  const pairs = image.rootfs.diff_ids.flatMap((diffId, at): [Digest, Descriptor][] => {
    const layer = layers[at];
    return layer === undefined ? [] : [[diffId, layer]];
  });
  // Every layer of an image stands on the one before.
  const placed = layers.map((descriptor, at) => placedLayer(descriptor, image.rootfs.diff_ids[at], at - 1));
  return {
    documents: [{ digest: config.digest, records, layers: placed }],
    blobs: layers,
    unpacked: new Map(pairs),
  };
}

/** Go writes bytes in JSON as base64. */
function recordsOf(inline: string): unknown {
  try {
    return JSON.parse(Buffer.from(inline, "base64").toString("utf8"));
  } catch {
    throw new WhittleError("IMAGE_INVALID", `its configuration's ${inlineMember} is not JSON in base64`);
  }
}

async function described(
  source: BlobSource,
  config: Descriptor,
  blobs: readonly Descriptor[],
): Promise<Found> {
  const { records, layers } = parseCacheDocument(await readDocument(source, config));
  const pairs = blobs.flatMap((item): [Digest, Descriptor][] => {
    const diffId = unpackedDigest(item);
    return diffId === undefined ? [] : [[diffId, item]];
  });
  const byDigest = new Map(blobs.map((item) => [item.digest, item]));
  const placed = layers.map(({ blob, parent }) => {
    const descriptor = byDigest.get(blob);
    return placedLayer(descriptor, descriptor && unpackedDigest(descriptor), parent);
  });
  return {
    documents: [{ digest: config.digest, records, layers: placed }],
    blobs,
    unpacked: new Map(pairs),
  };
}

function unpackedDigest({ annotations }: Descriptor): Digest | undefined {
  const diffId = annotations?.[unpackedAnnotation];
  return diffId !== undefined && isDigest(diffId) ? diffId : undefined;
}

const layerTypes: Readonly<Record<string, string>> = {
  [mediaTypes.layer]: mediaTypes.layer,
  [mediaTypes.layerGzip]: mediaTypes.layerGzip,
  [mediaTypes.layerZstd]: mediaTypes.layerZstd,
  [mediaTypes.dockerLayer]: mediaTypes.layer,
  [mediaTypes.dockerLayerGzip]: mediaTypes.layerGzip,
  // Docker never had one of these, and BuildKit gives it a name all the same (util/compression).
  [`${mediaTypes.dockerLayer}.zstd`]: mediaTypes.layerZstd,
};

function placedLayer(
  descriptor: Descriptor | undefined,
  diffId: Digest | undefined,
  parent: number,
): PlacedLayer {
  const mediaType = layerTypes[descriptor?.mediaType ?? ""];
  if (descriptor === undefined || mediaType === undefined || diffId === undefined)
    return { layer: undefined, parent };
  const { digest, size } = descriptor;
  return { layer: { descriptor: { mediaType, digest, size }, diffId }, parent };
}
