import { promisify } from "node:util";
import type { ZlibOptions, ZstdOptions } from "node:zlib";
import { inBlocks, inOrder } from "./blocks.ts";
import { WhittleError } from "./errors.ts";

// The module that does the work is loaded when there is work: most commands have none.
const zlibModule = () => import("node:zlib");

export interface CompressionOptions {
  /** gzip 1 to 9 (default 5), zstd 1 to 19 (default 3). */
  readonly level?: number;
  readonly signal?: AbortSignal;
}

// Two thirds of the time of level 6 for less than one percent more bytes, measured on programs and libraries.
const gzipLevel = 5;
const gzipBlock = 1024 * 1024;
const windowSize = 32 * 1024;
// RFC 1952: deflate, no flags, no time, no hint, operating system unknown. Nothing that differs between machines.
const gzipHeader = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);

interface GzipBlock {
  readonly bytes: Uint8Array;
  /** The up to 32 KiB before the block: what deflate may refer back to. */
  readonly before: Uint8Array;
}

/**
 * Compresses to one gzip member on all cores. Blocks of 1 MiB are deflated independently, each primed with the
 * 32 KiB before it, and joined at byte boundaries (`Z_SYNC_FLUSH`), so the result depends on the bytes and the
 * level only, not on how they were chunked or how many cores there are.
 *
 * @throws WhittleError `USAGE` for a level that gzip does not have
 */
export async function* gzip(
  source: AsyncIterable<Uint8Array>,
  options: CompressionOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const level = checkedLevel("gzip", options.level ?? gzipLevel, 9);
  const { constants, crc32, deflateRaw } = await zlibModule();
  const deflate = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);
  let checksum = 0;
  let size = 0;
  async function* blocks(): AsyncGenerator<GzipBlock> {
    let before: Uint8Array = new Uint8Array(0);
    for await (const bytes of inBlocks(source, gzipBlock)) {
      options.signal?.throwIfAborted();
      checksum = crc32(bytes, checksum);
      size += bytes.length;
      yield { bytes, before };
      before = bytes.subarray(Math.max(0, bytes.length - windowSize));
    }
  }
  yield gzipHeader;
  yield* inOrder(blocks(), ({ bytes, before }, last) =>
    deflate(bytes, {
      level,
      memLevel: 9,
      chunkSize: gzipBlock / 2,
      finishFlush: last ? constants.Z_FINISH : constants.Z_SYNC_FLUSH,
      ...(before.length === 0 ? {} : { dictionary: before }),
    }),
  );
  if (size === 0) yield emptyDeflate;
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  yield trailer;
}

// RFC 1951: a final block with fixed codes that holds nothing but its end.
const emptyDeflate = Uint8Array.of(0x03, 0x00);

const zstdFrame = 4 * 1024 * 1024;

/**
 * Compresses to zstd on all cores, as one frame for each 4 MiB (RFC 8878 allows any number of frames); the result
 * depends on the bytes and the level only.
 *
 * @throws WhittleError `USAGE` for a level that zstd does not have
 */
export async function* zstd(
  source: AsyncIterable<Uint8Array>,
  options: CompressionOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { constants, zstdCompress } = await zlibModule();
  const compress = promisify<Uint8Array, ZstdOptions, Buffer>(zstdCompress);
  const parameters = {
    [constants.ZSTD_c_compressionLevel]: checkedLevel("zstd", options.level ?? 3, 19),
    [constants.ZSTD_c_checksumFlag]: 1,
  };
  let empty = true;
  const frames = inOrder(inBlocks(source, zstdFrame), (bytes) => {
    options.signal?.throwIfAborted();
    return compress(bytes, { params: parameters, chunkSize: zstdFrame / 2 });
  });
  for await (const frame of frames) {
    empty = false;
    yield frame;
  }
  if (empty) yield await compress(new Uint8Array(0), { params: parameters });
}

function checkedLevel(form: string, level: number, highest: number): number {
  if (Number.isInteger(level) && level >= 1 && level <= highest) return level;
  throw new WhittleError(
    "USAGE",
    `Cannot compress with ${form} at level ${level}: a whole number from 1 to ${highest} is wanted`,
  );
}
