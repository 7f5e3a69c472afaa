import { promisify } from "node:util";
import type { ZstdOptions } from "node:zlib";
import { inBlocks, inOrder } from "./blocks.ts";
import { type CompressionOptions, checkedLevel } from "./compression-options.ts";

// The module that does the work is loaded when there is work: most commands have none.
const zlibModule = () => import("node:zlib");

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
