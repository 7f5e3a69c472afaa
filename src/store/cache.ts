import { readdir, stat, unlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import {
  canonicalJson,
  type Digest,
  digestHex,
  explainSystemError,
  isDigest,
  readProven,
  writeProven,
} from "../io/index.ts";
import { emptyWhenMissing } from "./missing.ts";

/** Whatever JSON can hold. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** What was computed before, by the key of what it was computed from. May be lost at any time. */
export interface Cache {
  /** The value of a key; nothing when it is not known or its record is damaged. */
  get(key: Digest): Promise<JsonValue | undefined>;
  /**
   * Remembers a value. Garbage collection keeps the blobs that it names for as long as the record is used.
   *
   * @throws WhittleError `DISK_FULL`, `PERMISSION`
   */
  set(key: Digest, value: JsonValue, options?: { readonly blobs?: readonly Digest[] }): Promise<void>;
  /** Forgets a key. */
  delete(key: Digest): Promise<void>;
}

/** A record as it lies on disk. */
export interface CacheRecord {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since the epoch when it was last of use, to within a day. */
  readonly used: number;
  /** Whether the record is whole; a damaged one is as good as none. */
  readonly readable: boolean;
  readonly blobs: readonly Digest[];
}

const dayMilliseconds = 24 * 60 * 60 * 1000;

/** The cache inside a store; opening it touches nothing. */
export function openCache(storeDirectory: string): Cache {
  const top = cacheDirectoryOf(storeDirectory);
  return {
    async get(key) {
      const path = recordPath(top, key);
      const record = readRecord(path);
      if (record?.key !== key) return undefined;
      await markUsed(path);
      return record.value;
    },
    async set(key, value, options = {}) {
      const path = recordPath(top, key);
      const body = canonicalJson({ key, value, blobs: options.blobs ?? [] });
      try {
        await writeProven(path, body);
      } catch (error) {
        throw explainSystemError(error, `write to the cache at ${path}`);
      }
    },
    async delete(key) {
      await unlink(recordPath(top, key)).catch(() => undefined);
    },
  };
}

/** Every record of a store's cache that can be read; damaged ones come with no blobs and as never used. */
export async function* cacheRecords(storeDirectory: string): AsyncGenerator<CacheRecord, void, undefined> {
  const top = cacheDirectoryOf(storeDirectory);
  for (const prefix of (await readdir(top).catch(emptyWhenMissing)).sort()) {
    // The cache directory is shared with other things that may vanish; only ours have this form.
    if (!/^[0-9a-f]{2}$/.test(prefix)) continue;
    for (const name of (await readdir(join(top, prefix)).catch(emptyWhenMissing)).sort()) {
      const path = join(top, prefix, name);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined) continue;
      const record = readRecord(path);
      yield {
        path,
        size: found.size,
        used: record === undefined ? 0 : found.mtimeMs,
        readable: record !== undefined,
        blobs: record?.blobs ?? [],
      };
    }
  }
}

/** Where the unpacked layers of a store's images are kept for reading; may vanish. */
export function unpackedLayersDirectory(storeDirectory: string): string {
  return join(cacheDirectoryOf(storeDirectory), "layers");
}

function cacheDirectoryOf(storeDirectory: string): string {
  return join(storeDirectory, "cache");
}

function recordPath(top: string, key: Digest): string {
  const hex = digestHex(key);
  return join(top, hex.slice(0, 2), hex);
}

interface Record {
  readonly key: unknown;
  readonly value: JsonValue;
  readonly blobs: readonly Digest[];
}

/** A record proves itself by its first line; anything else is a miss, never an error. */
function readRecord(path: string): Record | undefined {
  const body = readProven(path);
  if (body === undefined) return undefined;
  const { key, value, blobs } = JSON.parse(body) as Record;
  return { key, value, blobs: blobs.filter(isDigest) };
}

async function markUsed(path: string): Promise<void> {
  const now = Date.now();
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || now - found.mtimeMs < dayMilliseconds) return;
  await utimes(path, now / 1000, now / 1000).catch(() => undefined);
}
