import { type Asked, asOutcome, type Outcome, type OutcomeCache } from "../build/index.ts";
import type { Digest, Work } from "../io/index.ts";
import { type Cache, type JsonValue, openCache, type Store } from "../store/index.ts";
import type { OpenedDocument } from "./cache-open.ts";
import type { CacheSearch, SearchHome } from "./cache-search.ts";

/** Outcomes and blobs from elsewhere: what an earlier build exported. */
export interface ImportedCache {
  get(key: Digest): Promise<Outcome | undefined>;
  /** Puts a blob into the store; false when it is not to be had. */
  fetch(digest: Digest, store: Store): Promise<boolean>;
  /** What it knows by BuildKit's names. */
  readonly documents: readonly OpenedDocument[];
}

/** Keeps outcomes of build steps beside the images; what they do not know is looked for in imported caches. */
export function outcomeCache(
  store: Store,
  imported: readonly ImportedCache[],
  { signal }: Pick<Work, "signal">,
): OutcomeCache {
  const cache: Cache = openCache(store.directory);
  const fetchBlob = async (digest: Digest): Promise<boolean> => {
    for (const one of imported) if (await one.fetch(digest, store)) return true;
    return false;
  };
  const remember = async (key: Digest, outcome: Outcome): Promise<void> => {
    const { blobs } = outcome;
    await cache.set(key, outcome as unknown as JsonValue, blobs === undefined ? {} : { blobs });
  };
  const documents = imported.flatMap((one) => one.documents);
  const search = documents.length === 0 ? undefined : searchOf(documents, { store, fetchBlob, signal });
  return {
    set: remember,
    ...(search === undefined ? {} : { search }),
    async get(key) {
      const known = asOutcome(await cache.get(key));
      if (known !== undefined) return known;
      for (const one of imported) {
        const outcome = await one.get(key);
        if (outcome === undefined) continue;
        await remember(key, outcome);
        return outcome;
      }
      return undefined;
    },
    async bring({ blobs = [] }) {
      const there = await Promise.all(
        blobs.map(async (digest) => (await store.has(digest)) || fetchBlob(digest)),
      );
      return there.every(Boolean);
    },
  };
}

/** What searching takes is loaded when something is searched for. */
function searchOf(
  documents: readonly OpenedDocument[],
  home: SearchHome,
): (asked: Asked) => Promise<Outcome | undefined> {
  let search: Promise<CacheSearch> | undefined;
  return async (asked) => {
    search ??= import("./cache-search.ts").then(({ CacheSearch }) => new CacheSearch(documents, home));
    return (await search).find(asked);
  };
}
