import type { Outcome, OutcomeCache } from "../build/index.ts";
import { type Cache, type JsonValue, openCache, type Store } from "../store/index.ts";

/** Keeps outcomes of build steps beside the images; an outcome whose blobs are gone counts as unknown. */
export function outcomeCache(store: Store): OutcomeCache {
  const cache: Cache = openCache(store.directory);
  return {
    async get(key) {
      const value = await cache.get(key);
      if (value === undefined || value === null || typeof value !== "object") return undefined;
      const outcome = value as unknown as Outcome;
      const there = await Promise.all((outcome.blobs ?? []).map((digest) => store.has(digest)));
      return there.every(Boolean) ? outcome : undefined;
    },
    async set(key, outcome) {
      const { blobs } = outcome;
      await cache.set(key, outcome as unknown as JsonValue, blobs === undefined ? {} : { blobs });
    },
  };
}
