import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Descriptor, type Index, reachable } from "../image/index.ts";
import { contentDigest, type Digest, fileContent, WhittleError, type Work } from "../io/index.ts";
import type { BlobDirectory } from "./blobs.ts";
import { unpackedLayersDirectory } from "./cache.ts";
import { isLayout, readLayoutIndex, refNameAnnotation } from "./layout.ts";
import { emptyWhenMissing } from "./missing.ts";

/** Something that is wrong with a store. */
export interface Problem {
  /** One sentence for a person. */
  readonly message: string;
  readonly digest?: Digest;
  /** The name whose image is damaged by it. */
  readonly reference?: string;
  /** The file that holds other bytes than its name says; nothing is lost with it that is not lost already. */
  readonly file?: string;
}

/** Reads a layout from end to end: marker, index, every blob, unpacked layers, and everything that names lead to. */
export async function* verifyLayout(
  directory: string,
  blobs: BlobDirectory,
  work: Work,
): AsyncGenerator<Problem, void, undefined> {
  let index: Index;
  try {
    if (!(await isLayout(directory))) yield { message: `${directory} has no oci-layout file` };
    index = await readLayoutIndex(directory);
  } catch (error) {
    yield { message: explained(error) };
    return;
  }
  const damaged = new Set<string>();
  for await (const blob of blobs.stored()) {
    work.signal.throwIfAborted();
    const message = await whyUnreadable(blobs, blob.digest, work);
    if (message === undefined) continue;
    damaged.add(blob.digest);
    yield { message, digest: blob.digest, file: blob.path };
  }
  yield* verifyUnpacked(directory, work);
  for (const entry of index.manifests) yield* verifyEntry(entry, blobs, damaged);
}

async function whyUnreadable(blobs: BlobDirectory, digest: Digest, work: Work): Promise<string | undefined> {
  try {
    const content = await blobs.content(digest);
    for await (const _chunk of content?.open() ?? []) work.signal.throwIfAborted();
    return undefined;
  } catch (error) {
    work.signal.throwIfAborted();
    return explained(error);
  }
}

/** Layers that were unpacked for reading are named by their diff-ids. */
async function* verifyUnpacked(directory: string, work: Work): AsyncGenerator<Problem, void, undefined> {
  const layers = unpackedLayersDirectory(directory);
  for (const name of (await readdir(layers).catch(emptyWhenMissing)).sort()) {
    const [, hex] = /^([0-9a-f]{64})\.tar$/.exec(name) ?? [];
    if (hex === undefined) continue;
    work.signal.throwIfAborted();
    const file = join(layers, name);
    const size = (await stat(file).catch(() => undefined))?.size;
    // Collected meanwhile.
    if (size === undefined) continue;
    const found = await contentDigest(fileContent(file, size));
    if (found === `sha256:${hex}`) continue;
    yield { message: `the unpacked layer ${file} has the digest ${found}`, file };
  }
}

async function* verifyEntry(
  entry: Descriptor,
  blobs: BlobDirectory,
  damaged: ReadonlySet<string>,
): AsyncGenerator<Problem, void, undefined> {
  const reference = entry.annotations?.[refNameAnnotation];
  const of = reference === undefined ? {} : { reference };
  try {
    for await (const item of reachable(blobs, entry)) {
      if (damaged.has(item.digest)) {
        yield { message: `the image needs ${item.digest}, which is damaged`, digest: item.digest, ...of };
      } else await blobs.blob(item);
    }
  } catch (error) {
    yield { message: explained(error), digest: entry.digest, ...of };
  }
}

function explained(error: unknown): string {
  if (error instanceof WhittleError) return error.message;
  throw error;
}
