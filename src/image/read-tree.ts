import { stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import {
  type Content,
  decompress,
  digestHex,
  fileContent,
  parseDigest,
  verified,
  type Work,
  writeFileAtomically,
} from "../io/index.ts";
import { type Origin, Tree } from "../tree/index.ts";
import type { Image, LayerView } from "./image.ts";
import { applyLayer } from "./layer-apply.ts";
import type { BlobSource } from "./types.ts";

export interface ReadTreeOptions {
  /**
   * Where compressed layers are unpacked to, under their diff-ids; made when needed. What lies there is used
   * again. It has to outlive the tree, whose contents are slices of these files.
   */
  readonly unpacked: string;
  /** Where the members of layers are remembered, under their diff-ids. */
  readonly members?: string;
  readonly work: Work;
}

/**
 * The file tree of an image, its layers applied from the lowest up. Every entry's origin is its layer.
 *
 * @throws WhittleError `DIGEST_MISMATCH` when a layer is not what manifest and configuration promise,
 *   `ARCHIVE_CORRUPT`, `ARCHIVE_HOSTILE`
 */
export async function readTree(image: Image, options: ReadTreeOptions): Promise<Tree> {
  let tree = Tree.empty;
  for (const [index, layer] of (await image.layers()).entries()) {
    const createdBy = layer.history?.created_by;
    const origin: Origin = {
      kind: "layer",
      digest: layer.descriptor.digest,
      index,
      ...(createdBy === undefined ? {} : { createdBy }),
    };
    const { members } = options;
    tree = await applyLayer(tree, await unpackedLayer(image.source, layer, options), {
      origin,
      ...(members === undefined ? {} : { list: join(members, digestHex(parseDigest(layer.diffId))) }),
    });
  }
  return tree;
}

/** A layer's tar as a file whose digest was checked when it was made. Throws as {@link readTree}. */
export async function unpackedLayer(
  source: BlobSource,
  layer: Pick<LayerView, "descriptor" | "diffId">,
  options: ReadTreeOptions,
): Promise<Content> {
  const diffId = parseDigest(layer.diffId);
  const path = join(options.unpacked, `${digestHex(diffId)}.tar`);
  const there = await stat(path).catch(() => undefined);
  if (there !== undefined) {
    // What was of use lately is not collected.
    await utimes(path, new Date(), new Date()).catch(() => undefined);
    return fileContent(path, there.size);
  }
  const { signal } = options.work;
  const blob = await source.blob(layer.descriptor);
  const tar = verified(decompress(blob.open(), { signal }), {
    what: `layer ${layer.descriptor.digest}`,
    digest: diffId,
  });
  return fileContent(path, await writeFileAtomically(path, tar, { signal }));
}
