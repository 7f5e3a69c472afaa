import { readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import {
  type BlobSource,
  copyReachable,
  type Descriptor,
  type Index,
  reachable,
  writeIndex,
} from "../image/index.ts";
import { explainSystemError, makeDirectories, WhittleError, writeFileAtomically } from "../io/index.ts";
import { BlobDirectory } from "./blobs.ts";
import {
  isLayout,
  layoutIndexText,
  layoutMarker,
  readLayoutIndex,
  refNameAnnotation,
  replaceFile,
} from "./layout.ts";
import {
  chooseEntry,
  chosenPart,
  layoutEntries,
  layoutNames,
  openedFromLayout,
  referrersNote,
} from "./layout-image.ts";
import { emptyWhenMissing } from "./missing.ts";
import type { Transport } from "./opened.ts";

/**
 * `oci:DIR[:NAME]`, an image layout as skopeo and umoci read it. Without a name in the reference the layout is
 * made to hold this image and no other, so that it can be read without a name; with one, the image is added.
 */
export const ociDirectory: Transport = {
  async open(path, name) {
    if (!(await isLayout(path))) {
      throw new WhittleError("NOT_FOUND", `Cannot read oci:${path}: there is no image layout`, {
        hint: "an image layout is a directory with a file oci-layout",
      });
    }
    const index = await readLayoutIndex(path);
    const entry = chooseEntry(index, name, path);
    return openedFromLayout(index, new BlobDirectory(path, join(path, ".tmp")), entry, async () => undefined);
  },

  async write(path, name, source, descriptor, work, options) {
    const temporary = join(path, ".tmp");
    const referrers = options.referrers ?? [];
    const before = await formerIndex(path);
    if (name === undefined) mustBeReplaceable(path, before);
    try {
      await makeDirectories(join(path, "blobs", "sha256"));
      const blobs = new BlobDirectory(path, temporary);
      const part = await chosenPart(source, descriptor, options);
      for (const item of [part, ...referrers]) await copyReachable(source, item, blobs, work.signal);
      const listed = referrers.length === 0 ? undefined : await writeIndex(blobs, referrers);
      const entries = layoutEntries(part, layoutNames(name, options));
      const others = (before?.manifests ?? []).filter(
        (entry) => name !== undefined && entry.annotations?.[refNameAnnotation] !== name,
      );
      await blobs.sync();
      const text = layoutIndexText([...others, ...entries], referrersNote(listed));
      await replaceFile(join(path, "index.json"), text, temporary);
      await writeFileAtomically(join(path, layoutMarker.name), layoutMarker.text);
      const kept = [...others, ...entries, ...referrers, ...(listed === undefined ? [] : [listed])];
      await dropFormer(blobs, before, kept);
    } catch (error) {
      if (before === undefined) await takeBack(path);
      throw explainSystemError(error, `write oci:${path}`);
    } finally {
      await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    }
  },
};

/** A layout that could not be finished leaves nothing, and no directory that was not there before. */
async function takeBack(path: string): Promise<void> {
  for (const name of ["blobs", ".tmp", "index.json", layoutMarker.name]) {
    await rm(join(path, name), { recursive: true, force: true }).catch(() => undefined);
  }
  // Only an empty one goes; an empty one that was there before is no loss.
  await rmdir(path).catch(() => undefined);
}

/** What the directory held before; a directory that is neither empty nor a layout is refused. */
async function formerIndex(path: string): Promise<Index | undefined> {
  if (await isLayout(path)) return readLayoutIndex(path);
  const found = await readdir(path).catch(emptyWhenMissing);
  // What an interrupted write leaves: the marker comes last.
  const foreign = found.find((name) => !["blobs", ".tmp", "index.json"].includes(name));
  if (foreign === undefined) return undefined;
  throw new WhittleError(
    "STORE_INVALID",
    `Cannot write oci:${path}: the directory holds ${foreign}, an empty one or an image layout is wanted`,
  );
}

/** Several images are somebody's collection: they are not thrown away because a name was forgotten. */
function mustBeReplaceable(path: string, before: Index | undefined): void {
  const images = new Set(before?.manifests.map((entry) => entry.digest));
  if (images.size <= 1) return;
  throw new WhittleError(
    "STORE_INVALID",
    `Cannot write oci:${path}: it holds ${images.size} images, they would be lost`,
    { hint: `add to them by giving a name, oci:${path}:NAME, or choose an empty directory` },
  );
}

/** Deletes the blobs of the images that were replaced, and no others. */
async function dropFormer(
  blobs: BlobDirectory,
  before: Index | undefined,
  kept: readonly Descriptor[],
): Promise<void> {
  const former = await digestsOf(blobs, before?.manifests ?? []);
  if (former.size === 0) return;
  const keep = await digestsOf(blobs, kept);
  for await (const { digest } of blobs.stored()) {
    if (former.has(digest) && !keep.has(digest)) await blobs.remove(digest);
  }
}

async function digestsOf(source: BlobSource, roots: readonly Descriptor[]): Promise<Set<string>> {
  const digests = new Set<string>();
  for (const root of roots) {
    try {
      for await (const _item of reachable(source, root, digests));
    } catch {
      // What cannot be read leads nowhere.
    }
  }
  return digests;
}
