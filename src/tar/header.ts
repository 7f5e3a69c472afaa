import { nameText } from "../tree/index.ts";
import { corrupt } from "./failure.ts";
import type { SparsePiece } from "./member.ts";

export const blockSize = 512;

/** The bytes that a body of this length takes in the archive. */
export function padded(length: number): number {
  return Math.ceil(length / blockSize) * blockSize;
}

/** The fields of one header block, before any extended header is taken into account. */
export interface HeaderBlock {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  /** The type as a character; NUL is given as "0" or, for a v7 name that ends in a slash, "5". */
  readonly flag: string;
  readonly linkName: string;
  readonly major: number;
  readonly minor: number;
}

/** Whether a block holds nothing but NULs: one of the two that end an archive. */
export function isZeroBlock(block: Buffer): boolean {
  if (block[0] !== 0) return false;
  for (let i = 1; i < blockSize; i++) if (block[i] !== 0) return false;
  return true;
}

/**
 * Reads a header block of v7, ustar (POSIX.1-1988), star or GNU tar (tar(5)).
 *
 * @throws WhittleError `ARCHIVE_CORRUPT` when the checksum does not hold or a number is malformed
 */
export function parseHeader(block: Buffer, at: number): HeaderBlock {
  checkSum(block, at);
  const magic = block.toString("latin1", 257, 263);
  const ustar = magic === "ustar\0";
  const known = ustar || magic === "ustar ";
  // Only POSIX has a prefix there; star keeps times in its last bytes and marks that at the end of the block.
  const prefix = ustar
    ? textField(block, 345, block.toString("latin1", 508, 512) === "tar\0" ? 131 : 155)
    : "";
  const name = textField(block, 0, 100);
  const flag = String.fromCharCode(block[156] ?? 0);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: numberField(block, 100, 8, at) & 0o7777,
    uid: idField(block, 108, at),
    gid: idField(block, 116, at),
    size: sizeField(block, 124, at),
    mtime: numberField(block, 136, 12, at),
    flag: flag !== "\0" ? flag : name.endsWith("/") ? "5" : "0",
    linkName: textField(block, 157, 100),
    major: known ? numberField(block, 329, 8, at) : 0,
    minor: known ? numberField(block, 337, 8, at) : 0,
  };
}

/** The sparse map in an old GNU header block: four pieces, whether more blocks follow, and the real size. */
export function parseOldSparse(
  block: Buffer,
  at: number,
): { readonly pieces: SparsePiece[]; readonly more: boolean; readonly realSize: number } {
  return {
    pieces: sparsePieces(block, 386, 4, at),
    more: block[482] !== 0,
    realSize: sizeField(block, 483, at),
  };
}

/** A block that continues an old GNU sparse map: 21 pieces and whether more follow. */
export function parseSparseBlock(
  block: Buffer,
  at: number,
): { readonly pieces: SparsePiece[]; readonly more: boolean } {
  return { pieces: sparsePieces(block, 0, 21, at), more: block[504] !== 0 };
}

function sparsePieces(block: Buffer, start: number, count: number, at: number): SparsePiece[] {
  const pieces: SparsePiece[] = [];
  for (let i = 0; i < count; i++) {
    const field = start + i * 24;
    if (block[field] === 0) break;
    pieces.push({ offset: sizeField(block, field, at), length: sizeField(block, field + 12, at) });
  }
  return pieces;
}

/** Old tars summed signed bytes; both sums are accepted, as everywhere. */
function checkSum(block: Buffer, at: number): void {
  const wanted = numberField(block, 148, 8, at);
  let sum = 0;
  for (let i = 0; i < blockSize; i++) sum += block[i] ?? 0;
  for (let i = 148; i < 156; i++) sum += 32 - (block[i] ?? 0);
  if (sum === wanted) return;
  let signed = 0;
  for (let i = 0; i < blockSize; i++) signed += i >= 148 && i < 156 ? 32 : ((block[i] ?? 0) << 24) >> 24;
  if (signed !== wanted) throw corrupt("the checksum of the header does not hold", at);
}

function textField(block: Buffer, start: number, length: number): string {
  const nul = block.indexOf(0, start);
  return nameText(block.subarray(start, nul === -1 || nul > start + length ? start + length : nul));
}

function idField(block: Buffer, start: number, at: number): number {
  const value = numberField(block, start, 8, at);
  if (value < 0 || value > 0xffff_ffff) throw corrupt(`the owner ${value} is out of range`, at);
  return value;
}

function sizeField(block: Buffer, start: number, at: number): number {
  const value = numberField(block, start, 12, at);
  if (value < 0) throw corrupt(`the size ${value} is negative`, at);
  return value;
}

/** A number in octal, or in base 256 when the first bit is set (GNU, star). */
function numberField(block: Buffer, start: number, length: number, at: number): number {
  const first = block[start] ?? 0;
  if (first >= 0x80) return base256(block, start, length, at);
  let value = 0;
  let i = start;
  const end = start + length;
  while (i < end && block[i] === 0x20) i++;
  for (; i < end; i++) {
    const digit = (block[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; i < end; i++) {
    const byte = block[i];
    if (byte === 0) break;
    if (byte !== 0x20) throw corrupt("a number in the header is not octal", at);
  }
  return value;
}

function base256(block: Buffer, start: number, length: number, at: number): number {
  const negative = block[start] === 0xff;
  let value = negative ? -1 : (block[start] ?? 0) & 0x7f;
  for (let i = start + 1; i < start + length; i++) value = value * 256 + (block[i] ?? 0);
  if (!Number.isSafeInteger(value)) throw corrupt("a number in the header is out of range", at);
  return value;
}
