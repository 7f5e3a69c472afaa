import type { Encoding } from "./machine.ts";

/** One line of what `ldconfig -p` prints. */
export interface CachedLibrary {
  readonly name: string;
  readonly path: string;
  /** For which kind of processor, as a bit mask or an index; 0 for any. */
  readonly hwcap: bigint;
}

const magic = "glibc-ld.so.cache1.1";
const headerSize = 48;
const entrySize = 24;
const mostEntries = 200_000;

/**
 * Reads `/etc/ld.so.cache` (glibc, `sysdeps/generic/dl-cache.h`), the new format also where it is behind the
 * old one. A file that is not such a cache has no entries: the loader passes over it, too.
 *
 * @param order - the byte order of the machine, for a cache that does not say
 */
export function parseLdCache(bytes: Buffer, order: Encoding["order"]): CachedLibrary[] {
  const start = bytes.indexOf(magic);
  if (start < 0 || start + headerSize > bytes.length) return [];
  const cache = bytes.subarray(start);
  const flag = (cache[28] ?? 0) & 3;
  const little = flag === 0 ? order === "little" : flag === 2;
  const u32 = (at: number): number => (little ? cache.readUInt32LE(at) : cache.readUInt32BE(at));
  const text = (at: number): string | undefined => {
    const end = at < cache.length ? cache.indexOf(0, at) : -1;
    return end < 0 ? undefined : cache.toString("utf8", at, end);
  };
  const count = u32(20);
  if (count > mostEntries || headerSize + count * entrySize > cache.length) return [];
  const result: CachedLibrary[] = [];
  for (let at = headerSize; at < headerSize + count * entrySize; at += entrySize) {
    const [name, path] = [text(u32(at + 4)), text(u32(at + 8))];
    if (name === undefined || path === undefined || !path.startsWith("/")) continue;
    const hwcap = little ? cache.readBigUInt64LE(at + 16) : cache.readBigUInt64BE(at + 16);
    result.push({ name, path, hwcap });
  }
  return result;
}
