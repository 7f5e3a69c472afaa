import { type Digest, decompress, verified } from "../io/index.ts";
import { readTar } from "../tar/index.ts";
import type { BlobSource, Descriptor, LayerRecord } from "./types.ts";

/**
 * Measures a layer that somebody else wrote; all of it is read.
 *
 * @param layer - `diffId`: what it is said to come to unpacked
 * @throws WhittleError `DIGEST_MISMATCH` when it does not, `ARCHIVE_CORRUPT`, `ARCHIVE_HOSTILE`
 */
export async function measureLayer(
  source: BlobSource,
  { descriptor, diffId }: { readonly descriptor: Descriptor; readonly diffId: Digest },
  signal: AbortSignal,
): Promise<LayerRecord> {
  const content = await source.blob(descriptor);
  let unpackedSize = 0;
  async function* tar(): AsyncGenerator<Uint8Array, void, undefined> {
    const proved = verified(decompress(content.open(), { signal }), {
      what: `layer ${descriptor.digest}`,
      digest: diffId,
    });
    for await (const chunk of proved) {
      unpackedSize += chunk.length;
      yield chunk;
    }
  }
  let files = 0;
  for await (const { type } of readTar(tar())) if (type === "file") files += 1;
  return { descriptor, diffId, unpackedSize, files };
}
