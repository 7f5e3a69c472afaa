import { rm } from "node:fs/promises";
import {
  type BlobSource,
  type Descriptor,
  formatPlatform,
  hostPlatform,
  mediaTypes,
  openImage,
  overlaySource,
  type Platform,
  platformsOf,
  readTree,
  serializeDocument,
  statedPlatform,
} from "../image/index.ts";
import {
  bytesContent,
  type Content,
  compressedForm,
  contentDigest,
  type Digest,
  decompress,
  readContent,
  sha256,
  WhittleError,
  type Work,
  writeFileAtomically,
} from "../io/index.ts";
import { writeTar } from "../tar/index.ts";
import { Tree } from "../tree/index.ts";
import { contentOfFile, verifiedMember } from "./archive.ts";
import { chosenPart } from "./layout-image.ts";
import type { OpenedImage, ReadOptions, Transport, WriteOptions } from "./opened.ts";
import { makeTemporary } from "./temporary.ts";

/**
 * `tar:FILE`, the root file system and nothing else: no configuration, no layers. Read, it becomes an image of
 * one layer, as `docker import` makes it.
 */
export const rootfsArchive: Transport = {
  async open(path, _name, _work, options) {
    const file = await contentOfFile(path);
    const form = compressedForm(await readContent(file, { start: 0, end: 16 }));
    const mediaType = {
      gzip: mediaTypes.layerGzip,
      zstd: mediaTypes.layerZstd,
      plain: mediaTypes.layer,
      xz: undefined,
      bzip2: undefined,
    }[form];
    if (mediaType === undefined) {
      throw new WhittleError(
        "IMAGE_INVALID",
        `Cannot read tar:${path}: a layer cannot be compressed with ${form}`,
        {
          hint: `unpack it first: ${form} -dk ${path}`,
        },
      );
    }
    const digest = await contentDigest(file);
    const layer = { mediaType, digest, size: file.size };
    const diffId = form === "plain" ? digest : await unpackedDigest(file);
    const content = verifiedMember(file, digest, file.size, path);
    return importedImage(layer, diffId, { blob: async () => content }, options, async () => undefined);
  },

  async write(path, _name, source, descriptor, work, options) {
    await withTree(source, descriptor, work, options, async (tree) => {
      const tar = writeTar(tree.entries(), { signal: work.signal });
      await writeFileAtomically(path, tar, { signal: work.signal });
    });
  },
};

/** An image around one layer. */
export async function importedImage(
  layer: Descriptor,
  diffId: Digest,
  behind: BlobSource,
  options: ReadOptions,
  close: () => Promise<void>,
): Promise<OpenedImage> {
  const platform: Platform = statedPlatform(options.platform ?? hostPlatform());
  const documents = new Map<string, Content>();
  const put = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const digest = sha256(bytes);
    documents.set(digest, bytesContent(bytes, digest));
    return { mediaType, digest, size: bytes.length };
  };
  const config = put(
    mediaTypes.config,
    serializeDocument({ ...platform, config: {}, rootfs: { type: "layers", diff_ids: [diffId] } }),
  );
  const manifest = put(
    mediaTypes.manifest,
    serializeDocument({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] }),
  );
  return {
    source: overlaySource(documents, behind),
    descriptor: { ...manifest, platform },
    referrers: async () => [],
    close,
  };
}

async function unpackedDigest(file: Content): Promise<Digest> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  for await (const chunk of decompress(file.open())) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}

/** The files of an image; of several platforms each in a directory `OS_ARCHITECTURE[_VARIANT]`, as buildx has it. */
export async function withTree(
  source: BlobSource,
  descriptor: Descriptor,
  work: Work,
  options: WriteOptions,
  use: (tree: Tree) => Promise<unknown>,
): Promise<void> {
  const unpacked = await makeTemporary(options.temporary);
  try {
    const images = await platformsOf(source, await chosenPart(source, descriptor, options));
    let all = Tree.empty;
    for (const { platform, descriptor: one } of images) {
      const tree = await readTree(await openImage(source, one), { unpacked, work });
      all = images.length === 1 ? tree : all.place(tree, `/${formatPlatform(platform).replaceAll("/", "_")}`);
    }
    await use(all);
  } finally {
    await rm(unpacked, { recursive: true, force: true });
  }
}
