import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeLayer } from "../image/index.ts";
import { explainSystemError } from "../io/index.ts";
import { treeOfDirectory, writeTree } from "../tree/index.ts";
import { BlobDirectory } from "./blobs.ts";
import type { Transport } from "./opened.ts";
import { importedImage, withTree } from "./rootfs.ts";

/** `rootfs:DIR`, the root file system as files on disk. */
export const rootfsDirectory: Transport = {
  async open(path, _name, work, options) {
    const directory = await mkdtemp(join(options.temporary ?? tmpdir(), "whittle-"));
    const close = (): Promise<void> => rm(directory, { recursive: true, force: true });
    try {
      const blobs = new BlobDirectory(directory, directory);
      const tree = await treeOfDirectory(path, { origin: { kind: "context", path } });
      const layer = await writeLayer(tree, blobs, { work, compression: { type: "none" } });
      return await importedImage(layer.descriptor, layer.diffId, blobs, options, close);
    } catch (error) {
      await close();
      throw explainSystemError(error, `read rootfs:${path}`);
    }
  },

  async write(path, _name, source, descriptor, work, options) {
    const owner = process.getuid?.() === 0 ? "keep" : "self";
    await withTree(source, descriptor, work, options, (tree) =>
      writeTree(tree, path, { owner, signal: work.signal }),
    );
  },
};
