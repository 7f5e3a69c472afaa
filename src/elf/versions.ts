import { type Dynamic, stringTable, tags } from "./dynamic.ts";
import { type ElfHeader, fileOffset } from "./header.ts";

/** Symbol versions that a file wants of another one. */
export interface VersionNeed {
  /** The soname of the other file. */
  readonly file: string;
  /** Those without which the loader refuses to start the program; weak ones are not among them. */
  readonly versions: readonly string[];
}

const mostTable = 1024 * 1024;
const mostVersions = 65_536;
// VER_FLG_WEAK
const weak = 2;

/**
 * `DT_VERNEED`: which versions are wanted of which library (LSB, "Symbol Versioning").
 *
 * @throws WhittleError `ELF_INVALID`
 */
export async function readVersionNeeds(header: ElfHeader, dynamic: Dynamic): Promise<VersionNeed[]> {
  const table = await tableAt(header, dynamic, tags.requirements);
  if (table === undefined) return [];
  const name = await stringsOf(header, dynamic);
  const result: VersionNeed[] = [];
  let total = 0;
  let at = 0;
  for (let left = dynamic.tables.get(tags.requirementCount) ?? 0; left > 0; left--) {
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
  const table = await tableAt(header, dynamic, tags.definitions);
  if (table === undefined) return [];
  const name = await stringsOf(header, dynamic);
  const result: string[] = [];
  let at = 0;
  for (let left = dynamic.tables.get(tags.definitionCount) ?? 0; left > 0; left--) {
    if (result.length >= mostVersions) throw header.source.invalid("it has too many versions");
    result.push(name(table.u32(at + table.u32(at + 12))));
    const next = table.u32(at + 16);
    if (next === 0) break;
    at += next;
  }
  return result;
}

async function tableAt(header: ElfHeader, dynamic: Dynamic, tag: number) {
  const address = dynamic.tables.get(tag);
  if (address === undefined) return undefined;
  const offset = fileOffset(header.segments, address);
  if (offset === undefined) throw header.source.invalid("its version table is outside the file");
  return header.source.readUpTo(offset, mostTable);
}

async function stringsOf(header: ElfHeader, dynamic: Dynamic): Promise<(at: number) => string> {
  const { offset, size } = stringTable(header, dynamic.tables);
  const text = await header.source.read(offset, size);
  return (at) => {
    const found = text.string(at);
    if (found === undefined) throw header.source.invalid("the name of a version has no end");
    return found;
  };
}
