import { WhittleError } from "../io/index.ts";
import { readIndex, readManifest } from "./documents.ts";
import { isIndexType, isManifestType } from "./manifest.ts";
import type { BlobSink, BlobSource, Descriptor } from "./types.ts";

// An index may hold indexes; nobody needs more than a few, and a loop cannot exist in honest digests.
const deepest = 8;

/** The descriptors inside one document, in its own order: of a manifest the config and layers, of an index its manifests. */
export async function childrenOf(source: BlobSource, descriptor: Descriptor): Promise<readonly Descriptor[]> {
  if (isIndexType(descriptor.mediaType)) return (await readIndex(source, descriptor)).manifests;
  if (!isManifestType(descriptor.mediaType)) return [];
  const manifest = await readManifest(source, descriptor);
  return [manifest.config, ...manifest.layers];
}

/**
 * Whether a layer may not be handed on and stays where its addresses say: it is neither copied nor missed (image-spec,
 * "Non-Distributable Layers"; Docker's foreign layers, as images of Windows have them).
 */
export function staysElsewhere({ mediaType, urls = [] }: Descriptor): boolean {
  return urls.length > 0 && /\.(nondistributable|foreign)\./.test(mediaType);
}

/**
 * Everything that a descriptor leads to, itself last: whoever copies in this order never shows a document before what
 * it names. Each digest comes once. A `subject` is not followed, because it points the other way, and layers that
 * {@link staysElsewhere} knows are left out.
 */
export async function* reachable(
  source: BlobSource,
  descriptor: Descriptor,
  seen: Set<string> = new Set(),
  depth = 0,
): AsyncGenerator<Descriptor, void, undefined> {
  if (seen.has(descriptor.digest)) return;
  seen.add(descriptor.digest);
  if (depth > deepest) {
    throw new WhittleError(
      "IMAGE_INVALID",
      `Cannot read ${descriptor.digest}: indexes nest deeper than ${deepest}`,
    );
  }
  for (const child of await childrenOf(source, descriptor)) {
    if (!staysElsewhere(child)) yield* reachable(source, child, seen, depth + 1);
  }
  yield descriptor;
}

/** A blob source of documents in memory, in front of another one: for manifests that are made on the way. */
export function overlaySource(
  documents: ReadonlyMap<string, Awaited<ReturnType<BlobSource["blob"]>>>,
  behind: BlobSource,
): BlobSource {
  return {
    blob: async (descriptor) => documents.get(descriptor.digest) ?? behind.blob(descriptor),
  };
}

/** Copies a descriptor and all it leads to; what the sink has already is not read. */
export async function copyReachable(
  source: BlobSource,
  descriptor: Descriptor,
  sink: BlobSink,
  signal?: AbortSignal,
): Promise<void> {
  for await (const item of reachable(source, descriptor)) {
    signal?.throwIfAborted();
    if (await sink.has(item.digest)) continue;
    const content = await source.blob(item);
    await sink.add(content.open(), { digest: item.digest, size: item.size });
  }
}
