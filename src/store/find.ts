import {
  type BlobSource,
  type Descriptor,
  documentLimits,
  type Index,
  isIndexType,
  isPathReference,
  mediaTypes,
  parseReference,
  type Reference,
  readDocument,
  readIndex,
  storeName,
} from "../image/index.ts";
import { type Content, type Digest, digestHex, readContent, WhittleError } from "../io/index.ts";
import { named, plain } from "./names.ts";

/** What blobs are found in: by descriptor, or by digest alone. */
export interface BlobHome extends BlobSource {
  content(digest: Digest): Promise<Content | undefined>;
}

const prefixShape = /^(?:sha256:)?([0-9a-f]{4,63})$/;

/** What a reference stands for in a layout; see `Store.resolve`. */
export async function find(
  index: Index,
  blobs: BlobHome,
  reference: string | Reference,
): Promise<Descriptor | undefined> {
  const prefix = typeof reference === "string" ? prefixShape.exec(reference)?.[1] : undefined;
  // "sha256:abcd" would be a name with a tag; nobody means that.
  const digestOnly = typeof reference === "string" && reference.startsWith("sha256:") && prefix !== undefined;
  if (!digestOnly) {
    const parsed = typeof reference === "string" ? parseReference(reference) : reference;
    if (isPathReference(parsed) || parsed.transport !== "store") return undefined;
    if (parsed.digest !== undefined) return byDigest(index, blobs, parsed.digest);
    const found = named(index, storeName(parsed));
    if (found !== undefined) return found;
  }
  return prefix === undefined ? undefined : byPrefix(index, blobs, prefix);
}

async function byDigest(index: Index, blobs: BlobHome, digest: Digest): Promise<Descriptor | undefined> {
  const listed = index.manifests.find((entry) => entry.digest === digest);
  if (listed !== undefined) return plain(listed);
  for await (const item of images(index, blobs)) if (item.digest === digest) return item;
  // Not listed any more, but the blob is still there.
  return describe(blobs, digest);
}

async function byPrefix(index: Index, blobs: BlobHome, prefix: string): Promise<Descriptor | undefined> {
  const found = new Map<string, Descriptor>();
  for await (const item of images(index, blobs)) {
    if (digestHex(item.digest).startsWith(prefix)) found.set(item.digest, item);
  }
  if (found.size > 1) {
    throw new WhittleError(
      "REFERENCE_INVALID",
      `Cannot tell which image ${prefix} is: ${found.size} digests begin so`,
      { hint: [...found.keys()].slice(0, 5).join(", ") },
    );
  }
  return [...found.values()][0];
}

/** The entries of the layout, each followed by the images inside it. */
async function* images(index: Index, blobs: BlobHome): AsyncGenerator<Descriptor, void, undefined> {
  for (const entry of index.manifests) {
    yield plain(entry);
    if (!isIndexType(entry.mediaType)) continue;
    const inside = await readIndex(blobs, entry).catch(() => undefined);
    yield* inside?.manifests ?? [];
  }
}

/** A descriptor for a blob of which only the digest is known; nothing when it is no manifest or index. */
export async function describe(blobs: BlobHome, digest: Digest): Promise<Descriptor | undefined> {
  const content = await blobs.content(digest);
  if (content === undefined || content.size > documentLimits.bytes) return undefined;
  // Layers are many and documents begin with a brace.
  if ((await readContent(content, { start: 0, end: 1 }))[0] !== 0x7b) return undefined;
  const about: Descriptor = { mediaType: mediaTypes.empty, digest, size: content.size };
  const mediaType = await statedType(blobs, about).catch(() => undefined);
  return mediaType === undefined ? undefined : { ...about, mediaType };
}

async function statedType(blobs: BlobSource, about: Descriptor): Promise<string | undefined> {
  const document = JSON.parse(Buffer.from(await readDocument(blobs, about)).toString("utf8")) as unknown;
  if (typeof document !== "object" || document === null) return undefined;
  const { mediaType } = document as { mediaType?: unknown };
  if (typeof mediaType === "string") {
    const known: string[] = [
      mediaTypes.index,
      mediaTypes.manifest,
      mediaTypes.dockerIndex,
      mediaTypes.dockerManifest,
    ];
    return known.includes(mediaType) ? mediaType : undefined;
  }
  if ("manifests" in document) return mediaTypes.index;
  return "layers" in document ? mediaTypes.manifest : undefined;
}
