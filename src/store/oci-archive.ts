import {
  type BlobSource,
  type Descriptor,
  documentLimits,
  mediaTypes,
  parseIndex,
  reachable,
  serializeDocument,
} from "../image/index.ts";
import {
  bytesContent,
  type Content,
  readContent,
  readText,
  sha256,
  WhittleError,
  type Work,
} from "../io/index.ts";
import {
  archiveBlobs,
  blobName,
  type OpenedArchive,
  openArchive,
  verifiedMember,
  writeArchive,
} from "./archive.ts";
import { checkLayoutMarker, layoutIndexText, layoutMarker } from "./layout.ts";
import {
  chooseEntry,
  chosenPart,
  layoutEntries,
  layoutNames,
  openedFromLayout,
  referrersNote,
} from "./layout-image.ts";
import type { OpenedImage, Transport } from "./opened.ts";

/** `oci-archive:FILE[:NAME]`, an image layout in a tar file. */
export const ociArchive: Transport = {
  async open(path, name, work, options) {
    const archive = await openArchive(path, work, options);
    try {
      return await openLayoutArchive(archive, path, name);
    } catch (error) {
      await archive.close();
      throw error;
    }
  },

  async write(path, name, source, descriptor, work, options) {
    const part = await chosenPart(source, descriptor, options);
    const entries = layoutEntries(part, layoutNames(name, options));
    const files = await layoutFiles(source, part, entries, options.referrers ?? [], work);
    await writeArchive(path, files, work);
  },
};

/** An image of a layout in an opened archive. */
export async function openLayoutArchive(
  archive: OpenedArchive,
  path: string,
  name: string | undefined,
): Promise<OpenedImage> {
  const marker = archive.member(layoutMarker.name);
  const listed = archive.member("index.json");
  if (marker === undefined || listed === undefined) {
    throw new WhittleError("NOT_FOUND", `Cannot read ${path}: there is no image layout in it`, {
      hint: "an archive of docker save is read as docker-archive:FILE, one of plain files as tar:FILE",
    });
  }
  checkLayoutMarker(await readText(marker, documentLimits.bytes), `${path}:${layoutMarker.name}`);
  const index = parseIndex(await readContent(listed), `${path}:index.json`);
  const entry = chooseEntry(index, name, path);
  return openedFromLayout(index, archiveBlobs(archive, path), entry, archive.close);
}

/** The files of an image layout that holds one image under some names. */
export async function layoutFiles(
  source: BlobSource,
  image: Descriptor,
  entries: readonly Descriptor[],
  referrers: readonly Descriptor[],
  work: Work,
): Promise<Map<string, Content | string>> {
  const files = new Map<string, Content | string>([[layoutMarker.name, layoutMarker.text]]);
  const seen = new Set<string>();
  for (const root of [image, ...referrers]) {
    for await (const item of reachable(source, root, seen)) {
      work.signal.throwIfAborted();
      const content = await source.blob(item);
      files.set(blobName(item.digest), verifiedMember(content, item.digest, item.size, "the image"));
    }
  }
  let listed: Descriptor | undefined;
  if (referrers.length > 0) {
    const bytes = serializeDocument({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: referrers });
    listed = { mediaType: mediaTypes.index, digest: sha256(bytes), size: bytes.length };
    files.set(blobName(listed.digest), bytesContent(bytes));
  }
  files.set("index.json", layoutIndexText(entries, referrersNote(listed)));
  return files;
}
