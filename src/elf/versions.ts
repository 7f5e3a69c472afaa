import { WhittleError } from "../io/index.ts";
import type { ElfBytes } from "./bytes.ts";
import { type Dynamic, stringTable, tags } from "./dynamic.ts";
import { type ElfHeader, fileOffset } from "./header.ts";

/** Symbol versions that a file wants of another one. */
export interface VersionNeed {
  /** The soname of the other file. */
  readonly file: string;
  /** Those without which the loader refuses to start the program; weak ones are not among them. */
  readonly versions: readonly string[];
}

// Nearly every table fits into the first piece; what a longer one has is read again, with the rest.
const pieces = [8 * 1024, 1024 * 1024] as const;
const mostVersions = 65_536;
// VER_FLG_WEAK
const weak = 2;

/**
 * `DT_VERNEED`: which versions are wanted of which library (LSB, "Symbol Versioning").
 *
 * @throws WhittleError `ELF_INVALID`
 */
export async function readVersionNeeds(header: ElfHeader, dynamic: Dynamic): Promise<VersionNeed[]> {
  const count = dynamic.tables.get(tags.requirementCount) ?? 0;
  return withTable(header, dynamic, tags.requirements, (table, name) => needsOf(header, count, table, name));
}

function needsOf(header: ElfHeader, needs: number, table: ElfBytes, name: NameAt): VersionNeed[] {
  const result: VersionNeed[] = [];
  let total = 0;
  let at = 0;
  for (let left = needs; left > 0; left--) {
    const versions: string[] = [];
    let inner = at + table.u32(at + 8);
    for (let count = table.u16(at + 2); count > 0; count--) {
      if (++total > mostVersions) throw header.source.invalid("it wants too many versions");
      if ((table.u16(inner + 4) & weak) === 0) versions.push(name(table.u32(inner + 8)));
      const next = table.u32(inner + 12);
      if (next === 0) break;
      inner += next;
    }
    result.push({ file: name(table.u32(at + 4)), versions });
    const next = table.u32(at + 12);
    if (next === 0) break;
    at += next;
  }
  return result;
}

/**
 * `DT_VERDEF`: the versions that a library has, its own name among them.
 *
 * @throws WhittleError `ELF_INVALID`
 */
export async function readVersionDefinitions(header: ElfHeader, dynamic: Dynamic): Promise<string[]> {
  const count = dynamic.tables.get(tags.definitionCount) ?? 0;
  return withTable(header, dynamic, tags.definitions, (table, name) =>
    definitionsOf(header, count, table, name),
  );
}

function definitionsOf(header: ElfHeader, count: number, table: ElfBytes, name: NameAt): string[] {
  const result: string[] = [];
  let at = 0;
  for (let left = count; left > 0; left--) {
    if (result.length >= mostVersions) throw header.source.invalid("it has too many versions");
    result.push(name(table.u32(at + table.u32(at + 12))));
    const next = table.u32(at + 16);
    if (next === 0) break;
    at += next;
  }
  return result;
}

/** Reads a table whose length is not said anywhere; there is nothing in it where the file has none. */
async function withTable<T>(
  header: ElfHeader,
  dynamic: Dynamic,
  tag: number,
  read: (table: ElfBytes, name: NameAt) => T[],
): Promise<T[]> {
  const address = dynamic.tables.get(tag);
  if (address === undefined) return [];
  const offset = fileOffset(header.segments, address);
  if (offset === undefined) throw header.source.invalid("its version table is outside the file");
  const name = await stringsOf(header, dynamic);
  const [first, whole] = pieces;
  const table = await header.source.readUpTo(offset, first);
  try {
    return read(table, name);
  } catch (error) {
    if (!(error instanceof WhittleError) || table.length < first) throw error;
    return read(await header.source.readUpTo(offset, whole), name);
  }
}

type NameAt = (at: number) => string;

async function stringsOf(header: ElfHeader, dynamic: Dynamic): Promise<NameAt> {
  const { offset, size } = stringTable(header, dynamic.tables);
  const text = await header.source.read(offset, size);
  return (at) => {
    const found = text.string(at);
    if (found === undefined) throw header.source.invalid("the name of a version has no end");
    return found;
  };
}
