import type { BlobSink, LayerRecord } from "../../image/index.ts";
import type { DeflatedBlocks, Work } from "../../io/index.ts";
import type { Changes, Tree } from "../../tree/index.ts";

/** How layers are compressed. */
export type Compression = { readonly type: "gzip" | "zstd" | "none"; readonly level?: number };

/** Writes a tree, or changes, as a layer into a store. */
export type LayerWriter = (
  from: Changes | Tree,
  compression: Compression,
  work: Work,
  /** As Windows takes layers apart; what the layer itself has is of this time. */
  windows?: { readonly mtime: number },
  /** Told of the file that the layer grows in. */
  growing?: (file: string) => void,
) => Promise<LayerRecord>;

/** Writes layers in this thread. Deflated files of packages are taken from and put into `deflated`. */
export function layerWriter(sink: BlobSink, deflated: DeflatedBlocks): LayerWriter {
  return async (from, compression, work, windows, growing) => {
    const { writeLayer } = await import("../../image/index.ts");
    const form = windows === undefined ? {} : { windows };
    return writeLayer(from, sink, { compression, deflated, work, growing, ...form });
  };
}
