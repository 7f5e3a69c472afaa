import { closeSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { explainSystemError } from "../io/index.ts";
import { type Counts, headerLength, magic, type TableName, tableLengths } from "./packages-index-format.ts";

/** Far above the 150 MB that the compact form of all of Debian would take. */
const largestTables = 512 * 1024 * 1024;

/** The tables of a compact form, and the file to read bodies from. */
export interface OpenedIndex {
  readonly path: string;
  readonly file: number;
  readonly counts: Counts;
  readonly tables: Record<TableName, Uint32Array>;
  readonly text: Buffer;
  readonly bodiesAt: number;
  /** What tables and text lie in. */
  readonly memory: ArrayBuffer;
}

/** Opens a compact form; `undefined` when it is missing, damaged, or of another file. */
export function openCompact(path: string, sha256: string): OpenedIndex | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw explainSystemError(error, `read ${path}`);
  }
  const opened = readTables(file, sha256);
  if (opened === undefined) closeSync(file);
  return opened === undefined ? undefined : { path, file, ...opened };
}

function readTables(file: number, sha256: string): Omit<OpenedIndex, "path" | "file"> | undefined {
  const header = Buffer.alloc(headerLength);
  if (readSync(file, header, 0, headerLength, 0) !== headerLength) return undefined;
  if (!header.subarray(0, magic.length).equals(magic)) return undefined;
  if (header.toString("hex", magic.length, magic.length + 32) !== sha256) return undefined;
  const [names = 0, versions = 0, provides = 0, essentials = 0, requireds = 0, textLength = 0, , check] =
    Array.from({ length: 8 }, (_, index) => header.readUInt32LE(magic.length + 32 + 4 * index));
  const counts = { names, versions, provides, essentials, requireds };
  const lengths = tableLengths(counts);
  const entries = Object.values(lengths).reduce((sum, length) => sum + length, 0);
  const size = 4 * entries + textLength;
  if (size > largestTables) return undefined;
  const memory = takeMemory(size);
  // From the start of the memory, as the tables below expect; every byte of it is read.
  const hot = Buffer.from(memory, 0, size);
  if (readSync(file, hot, 0, size, headerLength) !== size || crc32(hot) !== check) {
    giveBack(memory);
    return undefined;
  }
  let at = 0;
  const tables = Object.fromEntries(
    Object.entries(lengths).map(([name, length]) => {
      const table = new Uint32Array(memory, at, length);
      at += 4 * length;
      return [name, table];
    }),
  ) as Record<TableName, Uint32Array>;
  return { counts, tables, text: hot.subarray(at), bodiesAt: headerLength + size, memory };
}

/** Gives back what an opened index holds. Nobody may look at its tables afterwards. */
export function closeCompact({ file, memory }: OpenedIndex): void {
  closeSync(file);
  giveBack(memory);
}

const noCounts: Counts = { names: 0, versions: 0, provides: 0, essentials: 0, requireds: 0 };

/** What is left of an index that was closed. */
export const nothing: Pick<OpenedIndex, "counts" | "tables" | "text"> = {
  counts: noCounts,
  tables: Object.fromEntries(
    Object.keys(tableLengths(noCounts)).map((name) => [name, new Uint32Array(0)]),
  ) as Record<TableName, Uint32Array>,
  text: Buffer.alloc(0),
};

// The indexes of several architectures are as good as equally long, and fresh memory costs as much as reading into it.
const memoryUnit = 8 * 1024 * 1024;
const worthKeeping = 1024 * 1024;
const mostSpare = 2;
const spare: ArrayBuffer[] = [];

function takeMemory(size: number): ArrayBuffer {
  if (size < worthKeeping) return Buffer.allocUnsafeSlow(size).buffer;
  const at = spare.findIndex((memory) => memory.byteLength >= size);
  const [found] = at < 0 ? [] : spare.splice(at, 1);
  // Pages of it that nothing is read into are never there.
  return found ?? Buffer.allocUnsafeSlow(Math.ceil(size / memoryUnit) * memoryUnit).buffer;
}

function giveBack(memory: ArrayBuffer): void {
  if (memory.byteLength >= worthKeeping && spare.length < mostSpare) spare.push(memory);
}
