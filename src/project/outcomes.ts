import { asOutcome, type Outcome, type OutcomeCache } from "../build/index.ts";
import type { Digest } from "../io/index.ts";
import { type Cache, type JsonValue, openCache, type Store } from "../store/index.ts";

/** Outcomes and blobs from elsewhere: what an earlier build exported. */
export interface ImportedCache {
  get(key: Digest): Promise<Outcome | undefined>;
  /** Puts a blob into the store; false when it is not to be had. */
  fetch(digest: Digest, store: Store): Promise<boolean>;
}

/** Keeps outcomes of build steps beside the images; what they do not know is looked for in imported caches. */
export function outcomeCache(store: Store, imported: readonly ImportedCache[] = []): OutcomeCache {
  const cache: Cache = openCache(store.directory);
  const fetchBlob = async (digest: Digest): Promise<boolean> => {
    for (const one of imported) if (await one.fetch(digest, store)) return true;
    return false;
  };
  const remember = async (key: Digest, outcome: Outcome): Promise<void> => {
    const { blobs } = outcome;
    await cache.set(key, outcome as unknown as JsonValue, blobs === undefined ? {} : { blobs });
  };
  return {
    set: remember,
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
