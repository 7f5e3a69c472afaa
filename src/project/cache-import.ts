import type { Descriptor } from "../image/index.ts";
import { type Digest, decompress, WhittleError, type Work } from "../io/index.ts";
import type { Store } from "../store/index.ts";
import { type OpenedCache, openCacheImage } from "./cache-open.ts";
import { type CacheHome, type CachePlace, openPlace, placeName } from "./cache-place.ts";
import { layerOf } from "./cache-records.ts";
import type { ImportedCache } from "./outcomes.ts";

/**
 * Opens a cache that a build exported. One that is not there, or damaged, is worth a warning and nothing more: every
 * blob is verified on its way into the store, and what does not hold is built.
 */
export async function importCache(place: CachePlace, home: CacheHome): Promise<ImportedCache | undefined> {
  try {
    return cacheOver(place, await openCacheImage(await openPlace(place, home)), home);
  } catch (error) {
    if (!(error instanceof WhittleError) || home.signal.aborted) throw error;
    warn(place, error, home);
    return undefined;
  }
}

function warn(place: CachePlace, error: unknown, work: Work): void {
  const reason = error instanceof Error ? error.message : String(error);
  work.progress({ kind: "warning", text: `the cache ${placeName(place)} is of no use: ${reason}` });
}

function cacheOver(place: CachePlace, opened: OpenedCache, work: Work): ImportedCache {
  const { documents } = opened;
  const records = documents.flatMap((document) => document.records);
  const outcomes = new Map(
    records.flatMap(({ digest, outcome }) => (outcome === undefined ? [] : [[digest, outcome] as const])),
  );
  const blobs = new Map(opened.blobs.map((item) => [item.digest, item]));
  const unpacked = new Map(opened.unpacked);
  for (const layer of [...outcomes.values()].map(layerOf)) {
    const packed = layer === undefined ? undefined : blobs.get(layer.packed);
    if (layer !== undefined && packed !== undefined) unpacked.set(layer.unpacked, packed);
  }
  const fetchNow = async (wanted: Digest, store: Store): Promise<boolean> => {
    const [packed, layer] = [blobs.get(wanted), unpacked.get(wanted)];
    try {
      if (packed !== undefined) await copied(opened, packed, store, work);
      else if (layer !== undefined) await unpackedInto(opened, layer, wanted, store, work);
      return packed !== undefined || layer !== undefined;
    } catch (error) {
      if (!(error instanceof WhittleError) || work.signal.aborted) throw error;
      warn(place, error, work);
      return false;
    }
  };
  // What two want at the same time is fetched once, and what is damaged stays so.
  const fetched = new Map<Digest, Promise<boolean>>();
  return {
    documents,
    get: async (key) => outcomes.get(key),
    fetch(wanted, store) {
      let fetching = fetched.get(wanted);
      if (fetching === undefined) {
        fetching = fetchNow(wanted, store);
        fetched.set(wanted, fetching);
        const forget = (isThere: unknown): void => {
          if (isThere !== false) fetched.delete(wanted);
        };
        fetching.then(forget, forget);
      }
      return fetching;
    },
  };
}

async function copied(
  { source }: OpenedCache,
  { digest, size, ...rest }: Descriptor,
  store: Store,
  { signal }: Work,
): Promise<void> {
  signal.throwIfAborted();
  const content = await source.blob({ digest, size, ...rest });
  await store.add(content.open(), { digest, size });
}

/** The files that a command left are the unpacked form of a layer. */
async function unpackedInto(
  { source }: OpenedCache,
  layer: Descriptor,
  digest: Digest,
  store: Store,
  { signal }: Work,
): Promise<void> {
  const content = await source.blob(layer);
  await store.add(decompress(content.open(), { signal }), { digest });
}
