import { type Content, readContent } from "../io/index.ts";
import { ElfSource, invalidElf } from "./bytes.ts";
import type { ElfMachine, Encoding } from "./machine.ts";

/** A program header. */
export interface Segment {
  /** `p_type`. */
  readonly type: number;
  /** `p_flags`: execute 1, write 2, read 4. */
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly alignment: number;
}

/** `p_type` of the segments that are looked at. */
export const segmentTypes = { load: 1, dynamic: 2, interpreter: 3, note: 4 } as const;

/** What the first bytes of a file say. */
export interface ElfHeader {
  readonly source: ElfSource;
  /** `e_type`: 1 relocatable, 2 executable, 3 shared (also position-independent programs), 4 core. */
  readonly type: number;
  readonly machine: ElfMachine;
  readonly segments: readonly Segment[];
  readonly sections: {
    readonly offset: number;
    readonly entrySize: number;
    readonly count: number;
    readonly names: number;
  };
}

// Holds the header, the program headers, mostly the interpreter's name and the notes, and of small libraries the
// tables that the loader looks into, which linkers put first.
const headSize = 16 * 1024;
const mostSegments = 4096;

/**
 * Reads the header and the program headers (System V ABI, chapter 4 and 5).
 *
 * @returns `undefined` when the file does not begin as an ELF file does
 * @throws WhittleError `ELF_INVALID`
 */
export async function readHeader(content: Content, what: string): Promise<ElfHeader | undefined> {
  const head = await readContent(content, { start: 0, end: Math.min(headSize, content.size) });
  if (head.length < 4 || head.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const encoding = encodingOf(head, what);
  const source = new ElfSource(content, what, encoding, head);
  const wide = encoding.bits === 64;
  const header = await source.read(0, wide ? 64 : 52);
  const tail = wide ? 48 : 36;
  const machine = { ...encoding, machine: header.u16(18), flags: header.u32(tail) };
  return {
    source,
    type: header.u16(16),
    machine,
    segments: await readSegments(
      source,
      header.word(wide ? 32 : 28),
      header.u16(tail + 6),
      header.u16(tail + 8),
    ),
    sections: {
      offset: header.word(wide ? 40 : 32),
      entrySize: header.u16(tail + 10),
      count: header.u16(tail + 12),
      names: header.u16(tail + 14),
    },
  };
}

function encodingOf(head: Buffer, what: string): Encoding {
  const [bits, order, version] = [head[4], head[5], head[6]];
  if (bits !== 1 && bits !== 2) throw invalidElf(what, `its class is ${bits}, 1 or 2 is wanted`);
  if (order !== 1 && order !== 2) throw invalidElf(what, `its byte order is ${order}, 1 or 2 is wanted`);
  if (version !== 1) throw invalidElf(what, `its version is ${version}, 1 is wanted`);
  return { bits: bits === 2 ? 64 : 32, order: order === 1 ? "little" : "big" };
}

async function readSegments(
  source: ElfSource,
  offset: number,
  entrySize: number,
  count: number,
): Promise<Segment[]> {
  if (count === 0 || offset === 0) return [];
  const wide = source.encoding.bits === 64;
  const wanted = wide ? 56 : 32;
  if (entrySize !== wanted) {
    throw source.invalid(`its program headers have ${entrySize} bytes each, ${wanted} are wanted`);
  }
  if (count > mostSegments) throw source.invalid(`it has ${count} program headers`);
  const table = await source.read(offset, count * entrySize);
  return Array.from({ length: count }, (_, index) => {
    const at = index * entrySize;
    const [flags, rest, step] = wide ? [at + 4, at + 8, 8] : [at + 24, at + 4, 4];
    return {
      type: table.u32(at),
      flags: table.u32(flags),
      offset: table.word(rest),
      address: table.word(rest + step),
      fileSize: table.word(rest + 3 * step),
      memorySize: table.word(rest + 4 * step),
      alignment: wide ? table.word(at + 48) : table.word(at + 28),
    };
  });
}

/**
 * The place in the file of an address, as the loaded segments map it.
 *
 * @returns `undefined` when no segment has it in the file
 */
export function fileOffset(segments: readonly Segment[], address: number): number | undefined {
  for (const segment of segments) {
    if (segment.type !== segmentTypes.load) continue;
    const inside = address - segment.address;
    if (inside >= 0 && inside < segment.fileSize) return segment.offset + inside;
  }
  return undefined;
}
