import { join } from "node:path";
import { type Digest, digestHex, readProven, writeProven } from "../io/index.ts";

/** What was worked out from downloads, by the digest of all that it follows from. Losing it costs time only. */
export interface Derived {
  /** A value as JSON gives it back; nothing when it is not known or damaged. */
  get(key: Digest): unknown;
  set(key: Digest, value: unknown): Promise<void>;
}

/**
 * Remembers derived values in the cache directory, one file each, which begins with its own digest. Writes are atomic
 * but not durable, and failing to write is no error.
 *
 * @param kind - what the values are; a folder of its own
 */
export function derived(cacheDirectory: string, kind: string): Derived {
  const path = (key: Digest): string => {
    const hex = digestHex(key);
    return join(cacheDirectory, "debian", "derived", kind, hex.slice(0, 2), hex);
  };
  return {
    get(key) {
      try {
        return JSON.parse(readProven(path(key)) ?? "");
      } catch {
        return undefined;
      }
    },
    async set(key, value) {
      await writeProven(path(key), JSON.stringify(value)).catch(() => undefined);
    },
  };
}
