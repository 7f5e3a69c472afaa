import { promisify } from "node:util";
import type { ZlibOptions } from "node:zlib";
import { inBlocks, inOrder } from "./blocks.ts";
import { type CompressionOptions, checkedLevel } from "./compression-options.ts";
import { crc32Combine } from "./crc32-combine.ts";
import { type DeflatedBlocks, RememberedFile } from "./deflated-blocks.ts";
import { type Digest, sha256 } from "./digest.ts";
import { isIncompressible, storedBlocks } from "./stored-block.ts";

// The module that does the work is loaded when there is work: most commands have none.
const zlibModule = () => import("node:zlib");

// Two thirds of the time of level 6 for less than one percent more bytes, measured on programs and libraries.
const defaultLevel = 5;
/** How much is deflated at a time. */
export const gzipBlock = 1024 * 1024;
const windowSize = 32 * 1024;
// What stands between two long files is mostly a header or two: the way through the thread pool takes longer.
const atOnce = 4 * 1024;
// More than nearly every file of a package; what is longer is not worth holding until it is remembered.
const mostRemembered = 16 * gzipBlock;
// RFC 1952: deflate, no flags, no time, no hint, operating system unknown. Nothing that differs between machines.
const header = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
// RFC 1951: a final block with fixed codes that holds nothing but its end.
const end = Uint8Array.of(0x03, 0x00);

/** A file inside a stream that is deflated as if it were alone, so that it comes to the same bytes in every stream. */
export interface GzipFile {
  readonly size: number;
  /** Known, and worth remembering what it comes to. */
  readonly digest?: Digest;
}

/** The next bytes of a stream, at most {@link gzipBlock}; those of a file come in blocks of exactly that, but the last. */
export interface GzipPiece {
  readonly bytes: Uint8Array;
  readonly file?: GzipFile | undefined;
  /** Of bytes between files: whether the very same will probably come again, so that remembering them is worth it. */
  readonly lasting?: boolean;
  /** Called when the bytes are no longer looked at. */
  readonly release?: (() => void) | undefined;
}

export interface GzipPiecesOptions extends CompressionOptions {
  /** Where deflated files are remembered. The result is the same with and without. */
  readonly remembered?: DeflatedBlocks;
}

/**
 * Compresses to one gzip member on all cores. Blocks of 1 MiB are deflated independently, each primed with the
 * 32 KiB before it, and joined at byte boundaries (`Z_SYNC_FLUSH`), so the result depends on the bytes and the
 * level only, not on how they were chunked or how many cores there are. Blocks of noise are stored as they are.
 *
 * @throws WhittleError `USAGE` for a level that gzip does not have
 */
export async function* gzip(
  source: AsyncIterable<Uint8Array>,
  options: CompressionOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* gzipPieces(asPieces(source), options);
}

async function* asPieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<GzipPiece, void, undefined> {
  for await (const bytes of inBlocks(source, gzipBlock)) yield { bytes };
}

interface Deflated {
  readonly bytes: Uint8Array;
  /** Whose block it is. */
  readonly file: RememberedFile | undefined;
}

interface Job {
  readonly piece: GzipPiece;
  /** The up to 32 KiB before the block: what deflate may refer back to. */
  readonly before: Uint8Array;
  readonly file: RememberedFile | undefined;
  /** Which block of the file it is. */
  readonly index: number;
  /** CRC-32 of the piece. */
  readonly own: number;
}

/**
 * Compresses to one gzip member as {@link gzip} does, with files in it that are deflated each for itself: no block
 * holds bytes of two files or refers back from one to another. A file that was deflated before is not deflated
 * again: its blocks are taken as they are remembered, provided that their checksums are those of the bytes that
 * came now. So are lasting bytes between files. With such a memory, the bytes that come are good until the next are
 * asked for.
 */
export async function* gzipPieces(
  source: AsyncIterable<GzipPiece>,
  options: GzipPiecesOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const level = checkedLevel("gzip", options.level ?? defaultLevel, 9);
  const { constants, crc32, deflateRaw, deflateRawSync } = await zlibModule();
  const deflate = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);
  const sample = (bytes: Uint8Array, low: number): Promise<Uint8Array> => deflate(bytes, { level: low });
  let checksum = 0;
  let size = 0;
  async function* jobs(): AsyncGenerator<Job, void, undefined> {
    let before = nothing;
    let index = 0;
    let last: GzipFile | undefined;
    let file: RememberedFile | undefined;
    for await (const piece of source) {
      options.signal?.throwIfAborted();
      const { bytes } = piece;
      const own = crc32(bytes);
      checksum = crc32Combine(checksum, own, bytes.length);
      size += bytes.length;
      if (piece.file !== last) {
        last = piece.file;
        before = nothing;
        index = 0;
        file = last === undefined ? undefined : rememberedFile(last, level, options.remembered);
      }
      const job = isAlone(piece, before)
        ? { piece, before, file: rememberedPiece(bytes, level, options.remembered), index: 0, own }
        : { piece, before, file, index: index++, own };
      // A copy, because the bytes may be gone when the next block comes; at the end of a file there is none.
      before = bytes.length < gzipBlock ? nothing : Buffer.from(bytes.subarray(-windowSize));
      yield job;
    }
  }
  async function deflated({ piece, before, file, index, own }: Job): Promise<Deflated> {
    const { bytes } = piece;
    const work = async (): Promise<Uint8Array> => {
      if (await isIncompressible(bytes, sample)) return storedBlocks(bytes);
      const settings: ZlibOptions = {
        level,
        memLevel: 9,
        chunkSize: Math.max(4096, bytes.length >> 1),
        finishFlush: constants.Z_SYNC_FLUSH,
        ...(before.length === 0 ? {} : { dictionary: before }),
      };
      return bytes.length <= atOnce ? deflateRawSync(bytes, settings) : deflate(bytes, settings);
    };
    const result = await (file === undefined ? work() : file.block(index, own, work));
    piece.release?.();
    return { bytes: result, file };
  }
  yield header;
  for await (const { bytes, file } of inOrder(jobs(), deflated)) {
    yield bytes;
    file?.wasRead();
  }
  yield end;
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  yield trailer;
}

const nothing: Uint8Array = new Uint8Array(0);

/** Whether what a lasting piece comes to depends on nothing but its bytes, as if it were a file. */
function isAlone({ bytes, file, lasting }: GzipPiece, before: Uint8Array): boolean {
  return lasting === true && file === undefined && before.length === 0 && bytes.length < gzipBlock;
}

function rememberedPiece(
  bytes: Uint8Array,
  level: number,
  remembered: DeflatedBlocks | undefined,
): RememberedFile | undefined {
  if (remembered === undefined) return undefined;
  return rememberedFile({ size: bytes.length, digest: sha256(bytes) }, level, remembered);
}

function rememberedFile(
  { size, digest }: GzipFile,
  level: number,
  remembered: DeflatedBlocks | undefined,
): RememberedFile | undefined {
  if (remembered === undefined || digest === undefined || size > mostRemembered) return undefined;
  return new RememberedFile(remembered, { digest, level }, Math.ceil(size / gzipBlock));
}
