import { randomBytes } from "node:crypto";
import { lstat, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { writeLayer } from "../image/index.ts";
import { explainSystemError, makeDirectories, WhittleError, type Work } from "../io/index.ts";
import { type Tree, treeOfDirectory, writeTree } from "../tree/index.ts";
import { BlobDirectory } from "./blobs.ts";
import { isMissing } from "./missing.ts";
import type { Transport } from "./opened.ts";
import { importedImage, withTree } from "./rootfs.ts";
import { makeTemporary } from "./temporary.ts";

/** `rootfs:DIR`, the root file system as files on disk. */
export const rootfsDirectory: Transport = {
  async open(path, _name, work, options) {
    const directory = await makeTemporary(options.temporary);
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
    const found = await lstat(path).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw explainSystemError(error, `write rootfs:${path}`);
    });
    await withTree(source, descriptor, work, options, (tree) =>
      found === undefined ? writeWhole(tree, path, work) : writeOver(tree, path, work),
    );
  },
};

/** A directory that was not there before appears in one instant, or not at all. */
async function writeWhole(tree: Tree, path: string, work: Work): Promise<void> {
  const unfinished = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await makeDirectories(dirname(path));
    await write(tree, unfinished, work);
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw called(explainSystemError(error, `write ${path}`), unfinished, path);
  }
}

/** An error that names a file by the name that the person gave. */
function called(error: unknown, unfinished: string, path: string): unknown {
  if (!(error instanceof WhittleError)) return error;
  const { code, message, hint } = error;
  return new WhittleError(code, message.replaceAll(unfinished, path), {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Over a directory that is there files are laid one by one, as docker buildx does; one that was empty is so again. */
async function writeOver(tree: Tree, path: string, work: Work): Promise<void> {
  const before = new Set(await readdir(path).catch(() => []));
  try {
    await write(tree, path, work);
  } catch (error) {
    const after = before.size > 0 ? [] : await readdir(path).catch(() => []);
    for (const name of after) await rm(join(path, name), { recursive: true, force: true });
    throw error;
  }
}

async function write(tree: Tree, path: string, work: Work): Promise<void> {
  const owner = process.getuid?.() === 0 ? "keep" : "self";
  await writeTree(tree, path, { owner, signal: work.signal });
}
