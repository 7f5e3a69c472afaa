import {
  type BlobSource,
  type Descriptor,
  documentLimits,
  isIndexType,
  isPathReference,
  mediaTypes,
  overlaySource,
  parseConfig,
  parseReference,
  readManifest,
  serializeDocument,
  storeName,
} from "../image/index.ts";
import {
  bytesContent,
  type Content,
  canonicalJson,
  compressedForm,
  contentDigest,
  readContent,
  sha256,
  WhittleError,
} from "../io/index.ts";
import { blobName, type OpenedArchive, openArchive, verifiedMember, writeArchive } from "./archive.ts";
import { layoutEntries, singleImage } from "./layout-image.ts";
import { layoutFiles, openLayoutArchive } from "./oci-archive.ts";
import type { OpenedImage, Transport } from "./opened.ts";

/** One image of `manifest.json`, as `docker save` writes it. */
interface SavedImage {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

/** What containerd's importer takes as the image's full name. */
const containerdName = "io.containerd.image.name";

/**
 * `docker-archive:FILE[:NAME]`, the form of `docker save` and `docker load`. What we write is an image layout as
 * well, as Docker itself does it since version 25: its layers stay compressed, and the image's digest survives.
 */
export const dockerArchive: Transport = {
  async open(path, name, work, options) {
    const archive = await openArchive(path, work, options);
    try {
      return await openSaved(archive, path, name);
    } catch (error) {
      await archive.close();
      throw error;
    }
  },

  async write(path, name, source, descriptor, work, options) {
    const { descriptor: image } = await singleImage(source, descriptor, options, `docker-archive:${path}`);
    const names = (name === undefined ? (options.names ?? []) : [name]).map((text) => storeName(text));
    const manifest = await readManifest(source, image);
    const entries = layoutEntries(image, names).map((entry, i) => fullyNamed(entry, names[i]));
    const files = await layoutFiles(source, image, entries, options.referrers ?? [], work);
    const saved: SavedImage = {
      Config: blobName(manifest.config.digest),
      RepoTags: names,
      Layers: manifest.layers.map((layer) => blobName(layer.digest)),
    };
    files.set("manifest.json", canonicalJson([saved]));
    await writeArchive(path, files, work);
  },
};

function fullyNamed(entry: Descriptor, name: string | undefined): Descriptor {
  if (name === undefined) return entry;
  return { ...entry, annotations: { ...entry.annotations, [containerdName]: fullName(name) } };
}

/** `bar/s0:1` → `docker.io/bar/s0:1`, `x:latest` → `docker.io/library/x:latest`. */
function fullName(name: string): string {
  const parsed = parseReference(name);
  return isPathReference(parsed) ? name : `${parsed.registry}/${parsed.repository}:${parsed.tag ?? "latest"}`;
}

async function openSaved(
  archive: OpenedArchive,
  path: string,
  name: string | undefined,
): Promise<OpenedImage> {
  const member = archive.member("manifest.json");
  if (member === undefined) {
    throw new WhittleError("NOT_FOUND", `Cannot read docker-archive:${path}: it has no manifest.json`, {
      hint: "an image layout in a tar file is read as oci-archive:FILE, one of plain files as tar:FILE",
    });
  }
  const saved = chooseSaved(
    parseSaved(await readContent(member, undefined, documentLimits.bytes), path),
    name,
    path,
  );
  const kept = await keptManifest(archive, path, saved);
  if (kept !== undefined) return kept;
  const { source, descriptor } = await madeManifest(archive, path, saved);
  const [tag] = saved.RepoTags;
  return {
    source,
    descriptor,
    ...(tag === undefined ? {} : { name: tag }),
    referrers: async () => [],
    close: archive.close,
  };
}

function parseSaved(bytes: Uint8Array, path: string): SavedImage[] {
  const invalid = (found: string): never => {
    throw new WhittleError("IMAGE_INVALID", `Cannot read docker-archive:${path}: its manifest.json ${found}`);
  };
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return invalid("is not JSON");
  }
  if (!Array.isArray(value)) return invalid("is not a list");
  const texts = (list: unknown): list is string[] =>
    Array.isArray(list) && list.every((item) => typeof item === "string");
  return value.map((item: unknown) => {
    const { Config, RepoTags, Layers } = (item ?? {}) as Record<string, unknown>;
    if (typeof Config !== "string" || !texts(Layers)) return invalid("names no Config and Layers");
    return { Config, Layers, RepoTags: texts(RepoTags) ? RepoTags : [] };
  });
}

function chooseSaved(images: readonly SavedImage[], name: string | undefined, path: string): SavedImage {
  const tags = images.flatMap((image) => image.RepoTags);
  const hint = `it has ${tags.slice(0, 10).join(", ") || "images without names"}`;
  const wanted = name === undefined ? undefined : storeName(name);
  const found = images.filter(
    (image) => wanted === undefined || image.RepoTags.some((tag) => sameName(tag, wanted)),
  );
  const [only, ...others] = found;
  if (only === undefined) {
    throw new WhittleError("NOT_FOUND", `Cannot find an image ${name ?? ""} in docker-archive:${path}`, {
      hint,
    });
  }
  if (others.length > 0) {
    throw new WhittleError(
      "REFERENCE_INVALID",
      `Cannot tell which image of docker-archive:${path} is meant: it has ${found.length}, one has to be named`,
      { hint },
    );
  }
  return only;
}

function sameName(tag: string, wanted: string): boolean {
  try {
    return storeName(tag) === wanted;
  } catch {
    return false;
  }
}

/** Where the archive is an image layout too, the image as it was pushed, digest and all. */
async function keptManifest(
  archive: OpenedArchive,
  path: string,
  saved: SavedImage,
): Promise<OpenedImage | undefined> {
  if (archive.member("oci-layout") === undefined || archive.member("index.json") === undefined)
    return undefined;
  for (const name of [...saved.RepoTags, undefined]) {
    const opened = await openLayoutArchive(archive, path, name).catch(undefinedUnlessDamaged);
    if (opened === undefined || isIndexType(opened.descriptor.mediaType)) continue;
    const manifest = await readManifest(opened.source, opened.descriptor);
    if (blobName(manifest.config.digest) === saved.Config) return opened;
  }
  return undefined;
}

/** The layout may know the image by another name; damage must not be taken for that. */
function undefinedUnlessDamaged(error: unknown): undefined {
  const code = error instanceof WhittleError ? error.code : undefined;
  if (code !== "NOT_FOUND" && code !== "REFERENCE_INVALID") throw error;
}

/** A manifest for an archive that has none: the form of `docker save` before version 25. */
async function madeManifest(
  archive: OpenedArchive,
  path: string,
  saved: SavedImage,
): Promise<{ source: BlobSource; descriptor: Descriptor }> {
  const contents = new Map<string, Content>();
  const member = (name: string): Content => {
    const content = archive.member(name);
    if (content === undefined) {
      throw new WhittleError("IMAGE_INVALID", `Cannot read docker-archive:${path}: ${name} is missing in it`);
    }
    return content;
  };
  const put = async (mediaType: string, content: Content): Promise<Descriptor> => {
    const digest = await contentDigest(content);
    contents.set(digest, verifiedMember(content, digest, content.size, path));
    return { mediaType, digest, size: content.size };
  };
  const config = member(saved.Config);
  parseConfig(await readContent(config, undefined, documentLimits.bytes), `${saved.Config} of ${path}`);
  const layers: Descriptor[] = [];
  for (const name of saved.Layers) layers.push(await put(await layerType(member(name)), member(name)));
  const bytes = serializeDocument({
    schemaVersion: 2,
    mediaType: layers.length > 0 ? mediaTypes.manifest : mediaTypes.dockerManifest,
    config: await put(layers.length > 0 ? mediaTypes.config : mediaTypes.dockerConfig, config),
    layers,
  });
  const mediaType = layers.length > 0 ? mediaTypes.manifest : mediaTypes.dockerManifest;
  const descriptor = { mediaType, digest: sha256(bytes), size: bytes.length };
  contents.set(descriptor.digest, bytesContent(bytes));
  return { source: overlaySource(contents, nothing(path)), descriptor };
}

async function layerType(content: Content): Promise<string> {
  const form = compressedForm(await readContent(content, { start: 0, end: 16 }));
  if (form === "gzip") return mediaTypes.layerGzip;
  return form === "zstd" ? mediaTypes.layerZstd : mediaTypes.layer;
}

function nothing(path: string): BlobSource {
  return {
    blob: async ({ digest }) => {
      throw new WhittleError("IMAGE_INVALID", `Cannot read ${digest}: ${path} does not hold that blob`);
    },
  };
}
