import { createHash } from "node:crypto";
import {
  bytesContent,
  type DeflatedBlocks,
  type Digest,
  type GzipFile,
  type GzipPiece,
  gzipPieces,
  WhittleError,
  type Work,
  zstd,
} from "../io/index.ts";
import { type TarPiece, writeTarPieces } from "../tar/index.ts";
import {
  type Changes,
  childOf,
  type Entry,
  nameOf,
  parentOf,
  Tree,
  type TreePath,
  unnamedDirectory,
} from "../tree/index.ts";
import { KeptBlob } from "./kept-blob.ts";
import { type BlobSink, type LayerRecord, mediaTypes } from "./types.ts";
import { windowsDetails, windowsEntries } from "./windows-layer.ts";

/** How a layer is compressed; the level's meaning is the format's own. */
export interface LayerCompression {
  readonly type: "gzip" | "zstd" | "none";
  readonly level?: number;
}

export interface WriteLayerOptions {
  /** Default: gzip at its own default level. */
  readonly compression?: LayerCompression;
  /** Where deflated files of packages are remembered; the layer is the same with and without. */
  readonly deflated?: DeflatedBlocks;
  /** Put the tar as it is into the sink as well: its digest is the layer's diff-id. */
  readonly keepPlain?: boolean;
  /** Write it as Windows takes layers apart; what the layer itself has is of this time, in seconds. */
  readonly windows?: { readonly mtime: number };
  /** Told of the file that the layer grows in, where the sink has one. */
  readonly growing?: ((file: string) => void) | undefined;
  readonly work: Work;
}

// Files from this size on are deflated each for itself, so that they come to the same bytes in every layer. What
// smaller ones lose by that is more than what remembering them would save.
const apart = 32 * 1024;

/** What stands before the name of a path that a layer takes away (image-spec, layer, "Whiteouts"). */
export const whiteoutPrefix = ".wh.";
/** The name of the file that hides everything lower layers have in its directory. */
export const opaqueName = ".wh..wh..opq";

/**
 * Writes changes, a whole tree, or the members that {@link layerEntries} made of one, as a layer: tar, its digest,
 * compression and the blob's digest (the sink's) in one pass. The top directory's own attributes are not written: they
 * belong to whoever mounts the image.
 */
export async function writeLayer(
  from: Changes | Tree | readonly (readonly [TreePath, Entry])[],
  sink: BlobSink,
  options: WriteLayerOptions,
): Promise<LayerRecord> {
  const { progress, signal } = options.work;
  const compression = options.compression ?? { type: "gzip" };
  const { windows } = options;
  const plain = from instanceof Tree || "added" in from ? layerEntries(from) : from;
  const list = windows === undefined ? plain : windowsEntries(plain, windows.mtime);
  const details = windows === undefined ? {} : { details: windowsDetails };
  let files = 0;
  let totalBytes = 0;
  // What nobody edits comes again as it is, with what stands between the long files.
  let lasting = true;
  for (const [, entry] of list) {
    if (entry.type !== "file") continue;
    files++;
    totalBytes += entry.content.size;
    lasting &&= entry.origin?.kind === "package" || entry.origin?.kind === "generated";
  }
  const kept = options.keepPlain === true ? new KeptBlob(sink) : undefined;
  let plainEnd: ReturnType<KeptBlob["end"]> | undefined;
  const isPlain = compression.type === "none";
  // Whoever takes the tar in tells its digest.
  const hash = kept === undefined && !isPlain ? createHash("sha256") : undefined;
  let unpackedSize = 0;
  const id = `layer ${layerNumber++}`;
  progress({ kind: "start", id, label: `write a layer of ${files} files`, totalBytes });
  async function* tar(): AsyncGenerator<TarPiece, void, undefined> {
    for await (const piece of writeTarPieces(list, apart, { signal, ...details })) {
      signal.throwIfAborted();
      const { bytes, file } = piece;
      hash?.update(bytes);
      unpackedSize += bytes.length;
      progress({ kind: "bytes", id, bytes: Math.min(unpackedSize, totalBytes), totalBytes });
      await kept?.put(bytes);
      // Bytes that two look at are given back by neither.
      yield kept === undefined ? piece : { bytes, ...(file === undefined ? {} : { file }) };
    }
    // Both blobs are flushed at the same time.
    plainEnd = kept?.end();
    plainEnd?.catch(() => undefined);
  }
  try {
    const { digest, size } = await sink.add(compressed(tar(), lasting, compression, options), {
      growing: options.growing,
    });
    const plain = isPlain ? digest : (await plainEnd)?.digest;
    const diffId: Digest = plain ?? `sha256:${hash?.digest("hex")}`;
    progress({ kind: "done", id, outcome: "done" });
    return {
      descriptor: { mediaType: layerMediaType(compression), digest, size },
      diffId,
      unpackedSize,
      files,
    };
  } catch (error) {
    await kept?.abort(error);
    progress({ kind: "done", id, outcome: signal.aborted ? "cancelled" : "failed" });
    throw error;
  }
}

let layerNumber = 1;

/** The media type of a layer that is compressed so. */
export function layerMediaType(compression: LayerCompression): string {
  return { gzip: mediaTypes.layerGzip, zstd: mediaTypes.layerZstd, none: mediaTypes.layer }[compression.type];
}

/**
 * The members of a layer: what was added, and for each path that is gone an empty file `.wh.NAME` in its
 * directory, for each opaque directory `.wh..wh..opq` in it.
 *
 * @throws WhittleError `IMAGE_INVALID` when an entry has a name that would be taken for one of these
 */
export function layerEntries(from: Changes | Tree): (readonly [TreePath, Entry])[] {
  const added = [...(from instanceof Tree ? from : from.added).entries()];
  for (const [path] of added) {
    if (!nameOf(path).startsWith(whiteoutPrefix)) continue;
    throw new WhittleError(
      "IMAGE_INVALID",
      `Cannot write ${path} into a layer: names that begin with "${whiteoutPrefix}" mean a deletion there`,
      { hint: "rename it, or leave it out" },
    );
  }
  if (from instanceof Tree) return added.filter(([, entry]) => entry !== unnamedDirectory);
  return [
    ...added,
    ...from.removed.map(
      (path) => [childOf(parentOf(path), whiteoutPrefix + nameOf(path)), whiteout] as const,
    ),
    ...from.opaque.map((path) => [childOf(path, opaqueName), whiteout] as const),
  ];
}

const whiteout: Entry = {
  type: "file",
  content: bytesContent(new Uint8Array(0)),
  mode: 0,
  uid: 0,
  gid: 0,
  mtime: 0,
};

function compressed(
  tar: AsyncIterable<TarPiece>,
  lasting: boolean,
  compression: LayerCompression,
  { work, deflated }: WriteLayerOptions,
): AsyncIterable<Uint8Array> {
  const { level } = compression;
  const options = { signal: work.signal, ...(level === undefined ? {} : { level }) };
  switch (compression.type) {
    case "gzip":
      return gzipPieces(gzipParts(tar, lasting), {
        ...options,
        ...(deflated === undefined ? {} : { remembered: deflated }),
      });
    case "zstd":
      return zstd(bytesOf(tar), options);
    case "none":
      return bytesOf(tar);
  }
}

async function* bytesOf(tar: AsyncIterable<TarPiece>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { bytes } of tar) yield bytes;
}

/** Files of packages are remembered: many images have them, and they do not change. */
async function* gzipParts(
  tar: AsyncIterable<TarPiece>,
  lasting: boolean,
): AsyncGenerator<GzipPiece, void, undefined> {
  let last: TarPiece["file"];
  let file: GzipFile | undefined;
  for await (const piece of tar) {
    if (piece.file !== last) {
      last = piece.file;
      const { content, origin } = last ?? {};
      const digest = origin?.kind === "package" ? content?.digest : undefined;
      file = content && { size: content.size, ...(digest === undefined ? {} : { digest }) };
    }
    yield { bytes: piece.bytes, file, lasting, release: piece.release };
  }
}
