import { WhittleError } from "../io/index.ts";
import { configPlatform } from "./assemble.ts";
import { configIfImage, readConfig, readIndex, readManifest } from "./documents.ts";
import { isIndexType, isManifestType } from "./manifest.ts";
import { choosePlatform, formatPlatform, hostPlatform, matchPlatform } from "./platform.ts";
import type { BlobSource, Descriptor, History, ImageConfig, Manifest, Platform } from "./types.ts";

/** One layer as manifest, config and history describe it together. */
export interface LayerView {
  readonly descriptor: Descriptor;
  readonly diffId: string;
  /** The line of the history that made it. */
  readonly history?: History;
}

/** An image of one platform: accessors that read when asked, and read once. */
export interface Image {
  readonly descriptor: Descriptor;
  readonly source: BlobSource;
  manifest(): Promise<Manifest>;
  config(): Promise<ImageConfig>;
  platform(): Promise<Platform>;
  /** From the lowest up. */
  layers(): Promise<readonly LayerView[]>;
}

/** One image of an index, or the image itself. */
export interface PlatformImage {
  /** As the index says; where it is silent, as the configuration says. */
  readonly platform: Platform;
  readonly descriptor: Descriptor;
}

/**
 * The images that a descriptor stands for: of an index all that can run, of a manifest itself. Attestations and
 * other artifacts are left out.
 *
 * @throws WhittleError `IMAGE_INVALID`
 */
export async function platformsOf(
  source: BlobSource,
  descriptor: Descriptor,
  seen: Set<string> = new Set(),
): Promise<PlatformImage[]> {
  if (!isIndexType(descriptor.mediaType)) {
    const platform = descriptor.platform ?? (await platformOf(source, descriptor));
    return platform === undefined ? [] : [{ platform, descriptor }];
  }
  const images: PlatformImage[] = [];
  // Indexes that name each other twice would double the work at every level.
  if (seen.has(descriptor.digest)) return images;
  seen.add(descriptor.digest);
  for (const child of (await readIndex(source, descriptor)).manifests) {
    if (child.artifactType !== undefined || child.platform?.os === "unknown") continue;
    if (isIndexType(child.mediaType)) images.push(...(await platformsOf(source, child, seen)));
    else if (isManifestType(child.mediaType)) {
      const platform = child.platform ?? (await platformOf(source, child));
      if (platform !== undefined) images.push({ platform, descriptor: child });
    }
  }
  return images;
}

async function platformOf(source: BlobSource, descriptor: Descriptor): Promise<Platform | undefined> {
  const config = await configIfImage(source, descriptor);
  return config === undefined ? undefined : configPlatform(config);
}

/**
 * Opens an image for reading. Of an index, the one for `platform` is chosen, by default the one that runs here;
 * an index with a single image needs no choice.
 *
 * @param name - what the image is called in an error, by default its digest
 * @throws WhittleError `PLATFORM_UNSUPPORTED` when there is none, listing those that there are; `IMAGE_INVALID`
 */
export async function openImage(
  source: BlobSource,
  descriptor: Descriptor,
  platform?: Platform,
  name: string = descriptor.digest,
): Promise<Image> {
  if (!isIndexType(descriptor.mediaType)) {
    if (platform !== undefined) await mustMatch(source, descriptor, platform, name);
    return imageView(source, descriptor);
  }
  const images = await platformsOf(source, descriptor);
  const [only] = images;
  const chosen =
    platform === undefined && images.length === 1 ? only : choosePlatform(platform ?? hostPlatform(), images);
  if (chosen !== undefined) return imageView(source, chosen.descriptor);
  throw lacking(name, platform ?? hostPlatform(), images);
}

async function mustMatch(
  source: BlobSource,
  descriptor: Descriptor,
  wanted: Platform,
  name: string,
): Promise<void> {
  const images = await platformsOf(source, descriptor);
  if (images.some((image) => matchPlatform(image.platform, wanted))) return;
  if (choosePlatform(wanted, images) === undefined) throw lacking(name, wanted, images);
}

function lacking(name: string, wanted: Platform, images: readonly PlatformImage[]): WhittleError {
  return new WhittleError(
    "PLATFORM_UNSUPPORTED",
    `Cannot use ${name} for ${formatPlatform(wanted)}: it has no image for that platform`,
    {
      hint: `it has ${listPlatforms(images) || "no image at all"}`,
    },
  );
}

// More than any image has; an index may have thousands.
const mostListed = 40;

/** The platforms of images, for a person. */
export function listPlatforms(images: readonly PlatformImage[]): string {
  const listed = images.slice(0, mostListed).map((image) => formatPlatform(image.platform));
  const others = images.length > mostListed ? [`${images.length - mostListed} more`] : [];
  return [...listed, ...others].join(", ");
}

function imageView(source: BlobSource, descriptor: Descriptor): Image {
  const manifest = once(() => readManifest(source, descriptor));
  const config = once(async () => readConfig(source, (await manifest()).config));
  return {
    descriptor,
    source,
    manifest,
    config,
    platform: async () => configPlatform(await config()),
    layers: once(async () => layerViews(descriptor, await manifest(), await config())),
  };
}

function layerViews(descriptor: Descriptor, manifest: Manifest, config: ImageConfig): LayerView[] {
  const { layers } = manifest;
  const diffIds = config.rootfs.diff_ids;
  if (layers.length !== diffIds.length) {
    throw new WhittleError(
      "IMAGE_INVALID",
      `Cannot read the image ${descriptor.digest}: the manifest has ${layers.length} layers, the configuration ${diffIds.length}`,
    );
  }
  const lines = (config.history ?? []).filter((line) => line.empty_layer !== true);
  const told = lines.length === layers.length;
  return layers.map((layer, i) => {
    const history = told ? lines[i] : undefined;
    return { descriptor: layer, diffId: diffIds[i] ?? "", ...(history === undefined ? {} : { history }) };
  });
}

/** A function that runs once and answers the same from then on; a failure is not remembered. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
