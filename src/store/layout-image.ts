import {
  type BlobSource,
  type Descriptor,
  type Index,
  isIndexType,
  listPlatforms,
  mediaTypes,
  openImage,
  type PlatformImage,
  platformsOf,
  readIndex,
  readManifest,
  storeName,
} from "../image/index.ts";
import { isDigest, WhittleError } from "../io/index.ts";
import { refNameAnnotation } from "./layout.ts";
import { plain } from "./names.ts";
import type { OpenedImage, WriteOptions } from "./opened.ts";

/** The annotation of an `index.json` that names the index of the manifests that speak of its images: `SIZE DIGEST`. */
const referrersAnnotation = "vnd.whittle.referrers";

/**
 * The image of a layout that a name stands for; without a name, the only one there is.
 *
 * @throws WhittleError `NOT_FOUND` when there is none of that name, `REFERENCE_INVALID` when one has to be chosen
 */
export function chooseEntry(index: Index, name: string | undefined, where: string): Descriptor {
  const entries = index.manifests;
  const nameOf = (entry: Descriptor): string | undefined => entry.annotations?.[refNameAnnotation];
  const known = entries.flatMap((entry) => nameOf(entry) ?? []);
  const hint = known.length > 0 ? `it has ${known.slice(0, 10).join(", ")}` : "its images have no names";
  if (name !== undefined) {
    const found =
      entries.find((entry) => nameOf(entry) === name) ?? entries.find((entry) => spells(nameOf(entry), name));
    if (found !== undefined) return found;
    throw new WhittleError(
      "NOT_FOUND",
      `Cannot find the image ${name} in ${where}: there is none of that name`,
      { hint },
    );
  }
  const images = new Map(entries.map((entry) => [entry.digest, entry]));
  const [only, ...others] = images.values();
  if (only === undefined)
    throw new WhittleError("NOT_FOUND", `Cannot find an image in ${where}: it is empty`);
  if (others.length > 0) {
    throw new WhittleError(
      "REFERENCE_INVALID",
      `Cannot tell which image of ${where} is meant: it has ${images.size}, one has to be named`,
      { hint },
    );
  }
  return only;
}

/** Whether two texts are spellings of one name (`x`, `docker.io/library/x:latest`). */
function spells(found: string | undefined, wanted: string): boolean {
  try {
    return found !== undefined && storeName(found) === storeName(wanted);
  } catch {
    return false;
  }
}

/** An image out of a layout, wherever the layout's blobs are. */
export function openedFromLayout(
  index: Index,
  source: BlobSource,
  entry: Descriptor,
  close: () => Promise<void>,
): OpenedImage {
  const name = entry.annotations?.[refNameAnnotation];
  return {
    source,
    descriptor: plain(entry),
    ...(name === undefined ? {} : { name }),
    referrers: async (subject, artifactType) => referrersIn(index, source, subject, artifactType),
    close,
  };
}

async function referrersIn(
  index: Index,
  source: BlobSource,
  subject: Descriptor,
  artifactType: string | undefined,
): Promise<Descriptor[]> {
  const [size, digest] = index.annotations?.[referrersAnnotation]?.split(" ") ?? [];
  if (digest === undefined || !isDigest(digest)) return [];
  const listed = await readIndex(source, { mediaType: mediaTypes.index, digest, size: Number(size) });
  const found: Descriptor[] = [];
  for (const item of listed.manifests) {
    if (artifactType !== undefined && item.artifactType !== artifactType) continue;
    if ((await readManifest(source, item)).subject?.digest === subject.digest) found.push(item);
  }
  return found;
}

/** The annotations of an `index.json` that carries an index of referrers. */
export function referrersNote(listed: Descriptor | undefined): Record<string, string> {
  return listed === undefined ? {} : { [referrersAnnotation]: `${listed.size} ${listed.digest}` };
}

/** The name that an image gets in a layout: one entry and no more, or readers would have to be told which one. */
export function layoutNames(name: string | undefined, options: WriteOptions): readonly string[] {
  return name === undefined ? (options.names ?? []).slice(0, 1) : [name];
}

/** The entries that an image gets in a layout: one for each of its names, or one without. */
export function layoutEntries(descriptor: Descriptor, names: readonly string[]): Descriptor[] {
  if (names.length === 0) return [plain(descriptor)];
  const { annotations } = plain(descriptor);
  return names.map((name) => ({ ...descriptor, annotations: { ...annotations, [refNameAnnotation]: name } }));
}

/**
 * What is to be written of an image: the image of one platform where one is asked for, else all of it. An artifact is
 * for every platform.
 */
export async function chosenPart(
  source: BlobSource,
  descriptor: Descriptor,
  options: WriteOptions,
): Promise<Descriptor> {
  if (options.platform === undefined) return descriptor;
  try {
    return (await openImage(source, descriptor, options.platform, options.called)).descriptor;
  } catch (error) {
    const isElsewhere = error instanceof WhittleError && error.code === "PLATFORM_UNSUPPORTED";
    if (!isElsewhere || isIndexType(descriptor.mediaType)) throw error;
    if ((await platformsOf(source, descriptor)).length > 0) throw error;
    return descriptor;
  }
}

/**
 * The one image that is to be written where the form can hold no more than one.
 *
 * @throws WhittleError `PLATFORM_UNSUPPORTED` when there are several and none was chosen
 */
export async function singleImage(
  source: BlobSource,
  descriptor: Descriptor,
  options: WriteOptions,
  form: string,
): Promise<PlatformImage> {
  const images = await platformsOf(source, await chosenPart(source, descriptor, options));
  const [only, ...others] = images;
  if (only !== undefined && others.length === 0) return only;
  if (only === undefined) {
    const found = isIndexType(descriptor.mediaType)
      ? "the index has no image"
      : "it is an artifact, and no image";
    throw new WhittleError("IMAGE_INVALID", `Cannot write ${form}: ${found} of a container`);
  }
  throw new WhittleError(
    "PLATFORM_UNSUPPORTED",
    `Cannot write ${form}: the image is for ${images.length} platforms, it holds only one`,
    { hint: `choose one with --platform: ${listPlatforms(images)}` },
  );
}
