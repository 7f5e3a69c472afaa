import type { ElfBytes, ElfSource } from "./bytes.ts";
import { type ElfHeader, fileOffset, type Segment, segmentTypes } from "./header.ts";

/** What the dynamic section says, its strings read. */
export interface Dynamic {
  /** `DT_NEEDED`, in order. */
  readonly needed: readonly string[];
  /** `DT_AUXILIARY`: loaded before the object where they are there. */
  readonly auxiliary: readonly string[];
  /** `DT_FILTER`: loaded before the object. */
  readonly filters: readonly string[];
  readonly soname?: string;
  /** `DT_RPATH` in its parts; ignored by loaders when there is a `runpath`. */
  readonly rpath?: readonly string[];
  /** `DT_RUNPATH` in its parts. */
  readonly runpath?: readonly string[];
  /** `DT_FLAGS_1`. */
  readonly flags1: number;
  /** Values of the tags that locate tables, by tag. */
  readonly tables: ReadonlyMap<number, number>;
}

/** Tags of the dynamic section (System V ABI, "Dynamic Section"; GNU and Sun extensions). */
export const tags = {
  needed: 1,
  hash: 4,
  strings: 5,
  symbols: 6,
  stringsSize: 10,
  soname: 14,
  rpath: 15,
  runpath: 29,
  gnuHash: 0x6ffffef5,
  flags1: 0x6ffffffb,
  definitions: 0x6ffffffc,
  definitionCount: 0x6ffffffd,
  requirements: 0x6ffffffe,
  requirementCount: 0x6fffffff,
  mipsSymbolCount: 0x70000011,
  auxiliary: 0x7ffffffd,
  filter: 0x7fffffff,
} as const;

const mostDynamic = 1024 * 1024;
// A string table up to this size is read in one piece; of a longer one, only the strings that are wanted.
const smallTable = 64 * 1024;
// No path may be longer than 4096 (PATH_MAX), and a list of search directories is a few paths.
const longestString = 16 * 1024;
const mostNames = 2048;

/**
 * Reads the dynamic section.
 *
 * @returns `undefined` when the file has none
 * @throws WhittleError `ELF_INVALID`
 */
export async function readDynamic(header: ElfHeader): Promise<Dynamic | undefined> {
  const segment = header.segments.find(({ type }) => type === segmentTypes.dynamic);
  if (segment === undefined || segment.fileSize === 0) return undefined;
  const entries = await readEntries(header.source, segment);
  const tables = new Map(entries.map(({ tag, value }) => [tag, value]));
  const wanted = [tags.needed, tags.auxiliary, tags.filter, tags.soname, tags.rpath, tags.runpath];
  const named = entries.filter(({ tag }) => wanted.some((one) => one === tag));
  const strings = await readStrings(
    header,
    tables,
    named.map(({ value }) => value),
  );
  const all = (tag: number): string[] =>
    named.filter((entry) => entry.tag === tag).map(({ value }) => strings.get(value) ?? "");
  // Of a tag that should be there once, the loader takes the last.
  const soname = all(tags.soname).at(-1);
  const rpath = all(tags.rpath).at(-1);
  const runpath = all(tags.runpath).at(-1);
  return {
    needed: all(tags.needed),
    auxiliary: all(tags.auxiliary),
    filters: all(tags.filter),
    ...(soname === undefined ? {} : { soname }),
    ...(rpath === undefined ? {} : { rpath: rpath.split(":") }),
    ...(runpath === undefined ? {} : { runpath: runpath.split(":") }),
    flags1: tables.get(tags.flags1) ?? 0,
    tables,
  };
}

async function readEntries(
  source: ElfSource,
  segment: Segment,
): Promise<{ readonly tag: number; readonly value: number }[]> {
  const table = await source.read(segment.offset, segment.fileSize, mostDynamic);
  const step = source.encoding.bits / 8;
  const entries = [];
  for (let at = 0; at + 2 * step <= table.length; at += 2 * step) {
    const tag = table.word(at);
    if (tag === 0) break;
    entries.push({ tag, value: table.word(at + step) });
  }
  return entries;
}

/** Where the dynamic string table is in the file. */
export function stringTable(
  header: ElfHeader,
  tables: ReadonlyMap<number, number>,
): { readonly offset: number; readonly size: number } {
  const address = tables.get(tags.strings);
  const size = tables.get(tags.stringsSize);
  const offset = address === undefined ? undefined : fileOffset(header.segments, address);
  if (offset === undefined || size === undefined) {
    throw header.source.invalid("its dynamic section has no string table inside the file");
  }
  return { offset, size };
}

async function readStrings(
  header: ElfHeader,
  tables: ReadonlyMap<number, number>,
  places: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const result = new Map<number, string>();
  if (places.length === 0) return result;
  const { offset, size } = stringTable(header, tables);
  const { source } = header;
  const sorted = [...new Set(places)].sort((a, b) => a - b);
  if (sorted.length > mostNames) throw source.invalid(`it names ${sorted.length} other files`);
  const last = sorted.at(-1) ?? 0;
  if (last >= size) throw source.invalid(`a string at ${last} in a table of ${size} bytes`);
  let window: { readonly start: number; readonly bytes: ElfBytes } | undefined;
  for (const place of sorted) {
    let text =
      window !== undefined && place - window.start < window.bytes.length
        ? window.bytes.string(place - window.start)
        : undefined;
    if (text === undefined) {
      const start = size <= smallTable ? 0 : place;
      const length = Math.min(size - start, size <= smallTable ? size : longestString);
      window = { start, bytes: await source.read(offset + start, length) };
      text = window.bytes.string(place - start);
    }
    if (text === undefined) throw source.invalid(`the string at ${place} has no end`);
    result.set(place, text);
  }
  return result;
}
