import { createHash } from "node:crypto";
import type { BlobSink, BlobSource, LayerRecord } from "../../image/index.ts";
import { compressedForm, type Digest, decompress, gzip, readContent, zstd } from "../../io/index.ts";
import type { Executor } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import type { Compression } from "../layers/index.ts";
import type { BaseLayer } from "./assemble.ts";

/** A step that brings a layer that was written elsewhere into another compression; its files stay. */
export function recompressStep(layer: BaseLayer, compression: Compression): Step {
  return {
    kind: "recompress",
    label: `compress the layer ${layer.diffId.slice(7, 19)} with ${compression.type}`,
    parameters: { layer, compression } as unknown as Json,
    inputs: {},
  };
}

/** Its record is a `LayerRecord`; a layer that is compressed so already is taken over as it is. */
export function recompressExecutor(blobs: BlobSink & BlobSource): Executor {
  return {
    kind: "recompress",
    version: 1,
    cached: true,
    async run(step, _inputs, { signal }) {
      const { layerMediaType } = await import("../../image/index.ts");
      const { layer, compression } = step.parameters as unknown as {
        layer: BaseLayer;
        compression: Compression;
      };
      const content = await blobs.blob(layer.descriptor);
      const form = compressedForm(await readContent(content, { start: 0, end: 16 }));
      let unpackedSize = 0;
      const hash = createHash("sha256");
      async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
        for await (const chunk of decompress(content.open(), { signal })) {
          unpackedSize += chunk.length;
          hash.update(chunk);
          yield chunk;
        }
      }
      let descriptor = layer.descriptor;
      if (form === (compression.type === "none" ? "plain" : compression.type)) {
        for await (const _chunk of counted());
      } else {
        const { digest, size } = await blobs.add(compressed(counted(), compression, signal));
        descriptor = { mediaType: layerMediaType(compression), digest, size };
      }
      const diffId: Digest = `sha256:${hash.digest("hex")}`;
      const record: LayerRecord = { descriptor, diffId, unpackedSize, files: 0 };
      return {
        digest: descriptor.digest,
        record: record as unknown as Json,
        blobs: [descriptor.digest],
      };
    },
  };
}

function compressed(
  tar: AsyncIterable<Uint8Array>,
  { type, level }: Compression,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  if (type === "none") return tar;
  const options = { signal, ...(level === undefined ? {} : { level }) };
  return type === "gzip" ? gzip(tar, options) : zstd(tar, options);
}
