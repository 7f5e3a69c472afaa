import { readManifest } from "../image/index.ts";
import { type Digest, decompress, readContent, WhittleError, type Work } from "../io/index.ts";
import { openStore, type Store } from "../store/index.ts";
import { cacheName, cacheTypes, layerOf, parseRecords } from "./cache-records.ts";
import type { ImportedCache } from "./outcomes.ts";

/** Where an earlier build's cache lies. */
export interface CacheSource {
  /** Absolute path. */
  readonly directory: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/**
 * Opens a cache that a build exported. One that is not there, or damaged, is worth a warning and nothing more: every
 * blob is verified on its way into the store, and what does not hold is built.
 */
export async function importCache(source: CacheSource, work: Work): Promise<ImportedCache | undefined> {
  try {
    return await opened(source, work);
  } catch (error) {
    if (!(error instanceof WhittleError || error instanceof SyntaxError)) throw error;
    warn(source, error, work);
    return undefined;
  }
}

function warn({ directory }: CacheSource, error: unknown, work: Work): void {
  const reason = error instanceof Error ? error.message : String(error);
  work.progress({ kind: "warning", text: `the cache ${directory} is of no use: ${reason}` });
}

async function opened(source: CacheSource, work: Work): Promise<ImportedCache> {
  const { directory, tag, digest } = source;
  const layout = await openStore(directory);
  const descriptor = await layout.resolve(digest ?? cacheName(tag));
  if (descriptor === undefined) {
    throw new WhittleError("NOT_FOUND", `it holds no ${digest ?? cacheName(tag)}`);
  }
  const manifest = await readManifest(layout, descriptor);
  const listed = manifest.layers.find(({ mediaType }) => mediaType === cacheTypes.records);
  if (listed === undefined) throw new WhittleError("IMAGE_INVALID", "it holds something else than a cache");
  const records = parseRecords((await readContent(await layout.blob(listed))).toString("utf8"));
  const outcomes = new Map(records.map(({ key, outcome }) => [key, outcome]));
  const layers = new Map(records.flatMap(({ outcome }) => pairOf(layerOf(outcome))));
  const damaged = new Set<Digest>();
  return {
    get: async (key) => outcomes.get(key),
    async fetch(wanted, store) {
      if (damaged.has(wanted)) return false;
      try {
        return (
          (await copied(layout, wanted, store, work)) || (await unpacked(layout, layers, wanted, store, work))
        );
      } catch (error) {
        if (!(error instanceof WhittleError) || work.signal.aborted) throw error;
        damaged.add(wanted);
        warn(source, error, work);
        return false;
      }
    },
  };
}

function pairOf(layer: ReturnType<typeof layerOf>): [Digest, Digest][] {
  return layer === undefined ? [] : [[layer.unpacked, layer.packed]];
}

async function copied(layout: Store, digest: Digest, store: Store, work: Work): Promise<boolean> {
  const content = await layout.content(digest);
  if (content === undefined) return false;
  work.signal.throwIfAborted();
  await store.add(content.open(), { digest, size: content.size });
  return true;
}

/** The files that a command left are the unpacked form of the image's layer. */
async function unpacked(
  layout: Store,
  layers: ReadonlyMap<Digest, Digest>,
  digest: Digest,
  store: Store,
  { signal }: Work,
): Promise<boolean> {
  const packed = layers.get(digest);
  const content = packed === undefined ? undefined : await layout.content(packed);
  if (content === undefined) return false;
  await store.add(decompress(content.open(), { signal }), { digest });
  return true;
}
