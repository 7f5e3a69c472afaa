import type { ElfBytes } from "./bytes.ts";
import { type Dynamic, stringTable, tags } from "./dynamic.ts";
import { type ElfHeader, fileOffset } from "./header.ts";

// A symbol table entry (System V ABI, "Symbol Table"): the name first, then `st_shndx` at a place of its own.
const layout = { 32: { size: 16, section: 14 }, 64: { size: 24, section: 6 } } as const;
const mostSymbols = 1024 * 1024;

/**
 * The names of the symbols that a file takes from others.
 *
 * @throws WhittleError `ELF_INVALID`
 */
export async function readImports(header: ElfHeader, dynamic: Dynamic): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  const address = dynamic.tables.get(tags.symbols);
  const offset = address === undefined ? undefined : fileOffset(header.segments, address);
  if (offset === undefined) return names;
  const { source } = header;
  const strings = stringTable(header, dynamic.tables);
  const { size, section } = layout[source.encoding.bits];
  const count = await symbolCount(header, dynamic, strings.offset > offset ? strings.offset - offset : 0);
  if (count === 0) return names;
  if (count > mostSymbols) throw source.invalid(`it imports from ${count} symbols`);
  const symbols = await source.read(offset, count * size);
  const text = await source.read(strings.offset, strings.size);
  for (let index = 1; index < count; index++) {
    if (symbols.u16(index * size + section) !== 0) continue;
    const name = nameAt(text, symbols.u32(index * size));
    if (name !== "") names.add(name);
  }
  return names;
}

function nameAt(text: ElfBytes, at: number): string {
  return at < text.length ? (text.string(at) ?? "") : "";
}

/** How many symbols have to be looked at to have seen all undefined ones. */
async function symbolCount(header: ElfHeader, dynamic: Dynamic, gap: number): Promise<number> {
  const { source, machine } = header;
  const place = (tag: number): number | undefined => {
    const address = dynamic.tables.get(tag);
    return address === undefined ? undefined : fileOffset(header.segments, address);
  };
  const gnu = place(tags.gnuHash);
  if (gnu !== undefined) return gnuSymbolCount(header, gnu);
  const mips = dynamic.tables.get(tags.mipsSymbolCount);
  if (mips !== undefined && machine.machine === 8) return mips;
  const hash = place(tags.hash);
  if (hash !== undefined) {
    // Alpha and s390x have a hash table of 8-byte words; its second word is the number of symbols.
    const wide = machine.bits === 64 && (machine.machine === 22 || machine.machine === 0x9026);
    return wide ? (await source.read(hash, 16)).word(8) : (await source.read(hash, 8)).u32(4);
  }
  // Linkers put the string table right behind the symbols.
  return Math.floor(gap / layout[source.encoding.bits].size);
}

const chainPiece = 4096;

/**
 * A GNU hash table begins with the numbers of buckets, of symbols that are not in it, and of words in its Bloom
 * filter. Most undefined symbols are not in it, but an imported function whose address is taken may be, so the
 * table is walked to its end: the chain of the last bucket.
 */
async function gnuSymbolCount(header: ElfHeader, place: number): Promise<number> {
  const { source } = header;
  const start = await source.read(place, 16);
  const [buckets, outside, words] = [start.u32(0), start.u32(4), start.u32(8)];
  const bucketsAt = place + 16 + words * (source.encoding.bits / 8);
  const table = await source.read(bucketsAt, buckets * 4);
  let last = 0;
  for (let index = 0; index < buckets; index++) last = Math.max(last, table.u32(index * 4));
  if (last < outside) return outside;
  const chainsAt = bucketsAt + buckets * 4;
  for (;;) {
    const piece = await source.readUpTo(chainsAt + (last - outside) * 4, chainPiece);
    if (piece.length < 4 || last > mostSymbols) throw source.invalid("its table of symbols has no end");
    for (let at = 0; at + 4 <= piece.length; at += 4, last++) if ((piece.u32(at) & 1) === 1) return last + 1;
  }
}
