import { type Descriptor, type Index, reachable } from "../image/index.ts";
import { type Digest, WhittleError, type Work } from "../io/index.ts";
import type { BlobDirectory } from "./blobs.ts";
import { isLayout, readLayoutIndex, refNameAnnotation } from "./layout.ts";

/** Something that is wrong with a store. */
export interface Problem {
  /** One sentence for a person. */
  readonly message: string;
  readonly digest?: Digest;
  /** The name whose image is damaged by it. */
  readonly reference?: string;
}

/** Reads a layout from end to end: marker, index, every blob, and everything that names lead to. */
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
    yield { message, digest: blob.digest };
  }
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
