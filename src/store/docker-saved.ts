import {
  type BlobSource,
  type Descriptor,
  documentLimits,
  mediaTypes,
  overlaySource,
  parseConfig,
  serializeDocument,
  storeName,
} from "../image/index.ts";
import {
  bytesContent,
  type Content,
  compressedForm,
  contentDigest,
  readContent,
  sha256,
  WhittleError,
} from "../io/index.ts";
import { type OpenedArchive, verifiedMember } from "./archive.ts";

/** One image of `manifest.json`, as `docker save` writes it. */
export interface SavedImage {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

/**
 * Reads the `manifest.json` of `docker save`.
 *
 * @throws WhittleError `IMAGE_INVALID`
 */
export function parseSaved(bytes: Uint8Array, path: string): SavedImage[] {
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

/**
 * The image of an archive that a name stands for; without a name, the only one there is.
 *
 * @throws WhittleError `NOT_FOUND`, `REFERENCE_INVALID` when one has to be named
 */
export function chooseSaved(
  images: readonly SavedImage[],
  name: string | undefined,
  path: string,
): SavedImage {
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

/** A manifest for an archive that has none: the form of `docker save` before version 25. */
export async function madeManifest(
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
