import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Digest, digestHex, makeDirectories, sha256 } from "../io/index.ts";

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
        // Small, and mostly in the system's memory: at once.
        const text = readFileSync(path(key), "utf8");
        const end = text.indexOf("\n");
        const body = text.slice(end + 1);
        return text.slice(0, end) === sha256(body) ? JSON.parse(body) : undefined;
      } catch {
        return undefined;
      }
    },
    async set(key, value) {
      const file = path(key);
      const unfinished = `${file}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
      const body = JSON.stringify(value);
      try {
        await makeDirectories(dirname(file));
        writeFileSync(unfinished, `${sha256(body)}\n${body}`, { flag: "wx" });
        renameSync(unfinished, file);
      } catch {
        await unlink(unfinished).catch(() => undefined);
      }
    },
  };
}
