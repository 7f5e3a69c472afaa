import { nameText } from "../tree/index.ts";
import { corrupt, hostile } from "./failure.ts";
import {
  blockSize,
  type HeaderBlock,
  isZeroBlock,
  padded,
  parseHeader,
  parseOldSparse,
  parseSparseBlock,
} from "./header.ts";
import type { SparsePiece, TarHeader, TarLimits, TarType } from "./member.ts";
import { type PaxRecords, parsePax, paxInteger, paxTime } from "./pax.ts";
import { checkSparse, sparseNumber, sparsePairs } from "./sparse.ts";

/**
 * What the walk asks of whoever holds the bytes: the next `take` bytes (answered with them, or with `undefined`
 * at the end of the archive), to step over `skip` bytes, or to step over the stored bytes of a member and their
 * padding.
 */
export type WalkStep = { readonly take: number } | { readonly skip: number } | { readonly member: TarHeader };

type Walk = Generator<WalkStep, void, Buffer | undefined>;
type Take<Result> = Generator<WalkStep, Result, Buffer | undefined>;

const types: Readonly<Record<string, TarType>> = {
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  // Contiguous files, and GNU's old sparse files; GNU's dumped directories, whose list of names is passed over.
  "7": "file",
  S: "file",
  D: "directory",
};

/** What headers before the real one said about it. */
interface Announced {
  local: PaxRecords | undefined;
  longName: string | undefined;
  longLink: string | undefined;
}

/**
 * Walks through the headers of an archive without doing any input of its own, so that the same code serves
 * streams and files: a generator that asks for bytes and answers with members.
 *
 * Reads v7, ustar, star, GNU (long names, sparse files) and PAX (all three sparse versions, xattrs).
 */
export function* walkTar(limits: TarLimits): Walk {
  const global: PaxRecords = new Map();
  let announced: Announced = { local: undefined, longName: undefined, longLink: undefined };
  let at = 0;
  let members = 0;
  for (;;) {
    const start = at;
    const block = yield { take: blockSize };
    if (block === undefined) return;
    at += blockSize;
    if (isZeroBlock(block)) {
      const second = yield { take: blockSize };
      if (second !== undefined && !isZeroBlock(second))
        throw corrupt("a lone block of zeros stands inside it", start);
      return;
    }
    const header = parseHeader(block, start);
    switch (header.flag) {
      case "x":
      case "X":
        announced.local = parsePax(yield* payload(header, limits, start), start);
        at += padded(header.size);
        continue;
      case "g":
        merge(global, parsePax(yield* payload(header, limits, start), start));
        at += padded(header.size);
        continue;
      case "L":
        announced.longName = untilNul(yield* payload(header, limits, start));
        at += padded(header.size);
        continue;
      case "K":
        announced.longLink = untilNul(yield* payload(header, limits, start));
        at += padded(header.size);
        continue;
      case "V":
        at += padded(header.size);
        yield { skip: padded(header.size) };
        continue;
      default:
    }
    if (++members > limits.members) throw hostile(`it has more than ${limits.members} members`, start);
    const records = effective(global, announced.local);
    const member = yield* describe(header, block, records, announced, limits, start);
    announced = { local: undefined, longName: undefined, longLink: undefined };
    at = member.offset + padded(member.stored);
    yield { member };
  }
}

function* payload(header: HeaderBlock, limits: TarLimits, at: number): Take<Buffer> {
  if (header.size > limits.header) {
    throw hostile(`an extended header of ${header.size} bytes, at most ${limits.header} are wanted`, at);
  }
  if (header.size === 0) return Buffer.alloc(0);
  const data = yield { take: padded(header.size) };
  if (data === undefined) throw corrupt("it ends inside an extended header", at);
  // The walk keeps parts of it for as long as the member lives.
  return Buffer.from(data.subarray(0, header.size));
}

function untilNul(data: Buffer): string {
  const nul = data.indexOf(0);
  return nameText(nul === -1 ? data : data.subarray(0, nul));
}

function merge(global: PaxRecords, records: PaxRecords): void {
  for (const [keyword, value] of records) {
    if (value.length === 0) global.delete(keyword);
    else global.set(keyword, value);
  }
}

const none: PaxRecords = new Map();

function effective(global: PaxRecords, local: PaxRecords | undefined): PaxRecords {
  if (global.size === 0) return local ?? none;
  return local === undefined ? global : new Map([...global, ...local]);
}

function* describe(
  header: HeaderBlock,
  block: Buffer,
  pax: PaxRecords,
  announced: Announced,
  limits: TarLimits,
  start: number,
): Take<TarHeader> {
  const type = types[header.flag];
  if (type === undefined) {
    throw corrupt(`a member of the unknown type ${JSON.stringify(header.flag)}`, start);
  }
  const number = (keyword: string, otherwise: number): number => {
    const value = pax.get(keyword);
    return value === undefined || value.length === 0 ? otherwise : paxInteger(value, keyword, start);
  };
  const text = (keyword: string, otherwise: string): string => {
    const value = pax.get(keyword);
    return value === undefined || value.length === 0 ? otherwise : nameText(value);
  };
  const size = number("size", header.size);
  // Links, devices and directories have no body whatever their size says; so do all readers take it.
  const body = type === "file" || header.flag === "D" ? size : 0;
  const sparse = type === "file" ? yield* sparseMap(header, block, pax, body, limits, start) : undefined;
  const taken = sparse?.taken ?? 0;
  const mtime = pax.get("mtime");
  const xattrs = extendedAttributes(pax);
  const logical = type === "file" ? (sparse?.size ?? size) : 0;
  if (logical > limits.fileSize) throw hostile(`a file of ${logical} bytes`, start);
  return {
    name: announced.longName ?? text("GNU.sparse.name", text("path", header.name)),
    type,
    mode: header.mode,
    uid: owner(number("uid", header.uid), start),
    gid: owner(number("gid", header.gid), start),
    mtime: mtime === undefined || mtime.length === 0 ? header.mtime : paxTime(mtime, "mtime", start),
    size: logical,
    linkName:
      type === "symlink" || type === "hardlink"
        ? (announced.longLink ?? text("linkpath", header.linkName))
        : "",
    ...(xattrs === undefined ? {} : { xattrs }),
    major: type === "character" || type === "block" ? header.major : 0,
    minor: type === "character" || type === "block" ? header.minor : 0,
    offset: start + blockSize + taken,
    stored: body - (sparse?.inBody ?? 0),
    ...(sparse === undefined ? {} : { sparse: sparse.pieces }),
  };
}

function owner(id: number, at: number): number {
  if (id > 0xffff_ffff) throw corrupt(`the owner ${id} is out of range`, at);
  return id;
}

const xattrKeyword = "SCHILY.xattr.";

function extendedAttributes(pax: PaxRecords): ReadonlyMap<string, Uint8Array> | undefined {
  let result: Map<string, Uint8Array> | undefined;
  for (const [keyword, value] of pax) {
    if (!keyword.startsWith(xattrKeyword)) continue;
    result ??= new Map();
    result.set(keyword.slice(xattrKeyword.length), value);
  }
  return result;
}

interface SparseFound {
  readonly pieces: readonly SparsePiece[];
  readonly size: number;
  /** Bytes of the archive between the header block and the stored pieces. */
  readonly taken: number;
  /** How many of those the size of the body counts. */
  readonly inBody: number;
}

function* sparseMap(
  header: HeaderBlock,
  block: Buffer,
  pax: PaxRecords,
  body: number,
  limits: TarLimits,
  start: number,
): Take<SparseFound | undefined> {
  if (header.flag === "S") {
    const { pieces, more, realSize } = parseOldSparse(block, start);
    const taken = more ? yield* continueOldMap(pieces, limits, start) : 0;
    return { pieces: checkSparse(pieces, realSize, body, start), size: realSize, taken, inBody: 0 };
  }
  const realSize = pax.get("GNU.sparse.realsize") ?? pax.get("GNU.sparse.size");
  if (realSize === undefined) return undefined;
  const size = paxInteger(realSize, "GNU.sparse.realsize", start);
  const list = pax.get("GNU.sparse.map");
  if (list !== undefined) {
    const pieces = sparsePairs(list.length === 0 ? [] : list.toString("latin1").split(","), start);
    return { pieces: checkSparse(pieces, size, body, start), size, taken: 0, inBody: 0 };
  }
  if (pax.get("GNU.sparse.major")?.toString("latin1") !== "1") return undefined;
  const { pieces, taken } = yield* mapInBody(body, limits, start);
  return { pieces: checkSparse(pieces, size, body - taken, start), size, taken, inBody: taken };
}

function* continueOldMap(pieces: SparsePiece[], limits: TarLimits, start: number): Take<number> {
  for (let taken = blockSize; ; taken += blockSize) {
    if (taken > limits.header) throw hostile("an endless sparse map", start);
    const block = yield { take: blockSize };
    if (block === undefined) throw corrupt("it ends inside a sparse map", start);
    const next = parseSparseBlock(block, start);
    pieces.push(...next.pieces);
    if (!next.more) return taken;
  }
}

/** GNU's sparse version 1.0: the map stands before the pieces, as lines of decimal numbers, padded to a block. */
function* mapInBody(
  body: number,
  limits: TarLimits,
  start: number,
): Take<{ readonly pieces: SparsePiece[]; readonly taken: number }> {
  const numbers: string[] = [];
  let wanted = 1;
  let text = "";
  let taken = 0;
  while (numbers.length < wanted) {
    if (taken >= body) throw corrupt("the sparse map is malformed", start);
    if (taken > limits.header) throw hostile("an endless sparse map", start);
    const block = yield { take: blockSize };
    if (block === undefined) throw corrupt("it ends inside a sparse map", start);
    taken += blockSize;
    const lines = (text + block.toString("latin1")).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      if (numbers.length < wanted) numbers.push(line);
      if (numbers.length === 1 && wanted === 1) wanted = 1 + 2 * sparseNumber(line, start);
    }
  }
  return { pieces: sparsePairs(numbers.slice(1), start), taken };
}
