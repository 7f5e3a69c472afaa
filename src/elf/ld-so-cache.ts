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

/** One library to be written into a cache. */
export interface CacheLine {
  readonly name: string;
  readonly path: string;
  /** Kind of library (glibc, `sysdeps/generic/ldconfig.h`): 3 for ELF and glibc, and the machine's own bits. */
  readonly flags: number;
}

/**
 * The bytes of an `/etc/ld.so.cache` in the new format. Of several lines of one name and kind the first counts.
 *
 * @param order - the byte order of the machine
 */
export function formatLdCache(lines: readonly CacheLine[], order: Encoding["order"]): Buffer {
  const first = new Map<string, CacheLine>();
  for (const line of lines) {
    const key = `${line.flags} ${line.name}`;
    if (!first.has(key)) first.set(key, line);
  }
  // The loader searches by halves, from the greatest name down.
  const sorted = [...first.values()].sort((a, b) => compareLibraries(b.name, a.name) || b.flags - a.flags);
  const stringsAt = headerSize + sorted.length * entrySize;
  const head = Buffer.alloc(stringsAt);
  const u32 = (value: number, at: number): number =>
    order === "little" ? head.writeUInt32LE(value, at) : head.writeUInt32BE(value, at);
  const strings: Buffer[] = [];
  let end = stringsAt;
  const string = (text: string): number => {
    const at = end;
    const bytes = Buffer.from(`${text}\0`);
    strings.push(bytes);
    end += bytes.length;
    return at;
  };
  for (const [index, { name, path, flags }] of sorted.entries()) {
    const at = headerSize + index * entrySize;
    u32(flags, at);
    u32(string(name), at + 4);
    u32(string(path), at + 8);
  }
  head.write(magic);
  u32(sorted.length, 20);
  u32(end - stringsAt, 24);
  head[28] = order === "little" ? 2 : 3;
  return Buffer.concat([head, ...strings]);
}

/** glibc's order of library names, `_dl_cache_libcmp`: by bytes, with numbers as numbers, and above letters. */
export function compareLibraries(a: string, b: string): number {
  const [left, right] = [a, b].map((name) => name.match(/\d+|\D/g) ?? []);
  for (const [index, x] of (left ?? []).entries()) {
    const y = right?.[index];
    if (y === undefined) return 1;
    const [digits, others] = [/\d/.test(x), /\d/.test(y)];
    if (digits !== others) return digits ? 1 : -1;
    const order = digits ? Number(x) - Number(y) : Buffer.compare(Buffer.from(x), Buffer.from(y));
    if (order !== 0) return order;
  }
  return (left?.length ?? 0) - (right?.length ?? 0);
}
