import { slots } from "../http/index.ts";
import {
  type BlobSink,
  type BlobSource,
  type Descriptor,
  isIndexType,
  isManifestType,
  reachable,
} from "../image/index.ts";
import type { Digest, Work } from "../io/index.ts";
import { bulkSize } from "./repository.ts";
import { sweepAfter } from "./sweep.ts";

// As many as docker and podman take at once, and two.
const atOnce = 5;

/**
 * Copies an image into a sink, blobs side by side, each document after all that it names. What the sink has is not
 * read.
 *
 * @param isReadSoon - as {@link BlobSink.add} has it: whether the image is about to be read
 * @returns the number of blobs that travelled and of those that were there
 */
export async function pullImage(
  source: BlobSource,
  descriptor: Descriptor,
  sink: BlobSink,
  work: Work,
  { isReadSoon = false }: { readonly isReadSoon?: boolean } = {},
): Promise<{ readonly pulled: number; readonly there: number }> {
  const counts = { pulled: 0, there: 0 };
  const place = slots(atOnce);
  // The first failure ends the others: what they have begun is of no use.
  const stopped = new AbortController();
  const signal = AbortSignal.any([work.signal, stopped.signal]);
  const take = async (item: Descriptor): Promise<void> => {
    if (await sink.has(item.digest)) {
      counts.there += 1;
      return;
    }
    const id = `pull:${item.digest}`;
    work.progress({ kind: "start", id, label: `pull ${item.digest.slice(7, 19)}`, totalBytes: item.size });
    try {
      // The sink proves what it takes; to do so twice takes as long as all the rest.
      const content = await (source.unproved?.(item) ?? source.blob(item));
      const leaves = source.unproved !== undefined && item.size >= bulkSize ? "nothing" : "buffers";
      await sink.add(counted(content.open(), id, work, signal, leaves), {
        digest: item.digest as Digest,
        size: item.size,
        isReadSoon,
      });
      counts.pulled += 1;
      work.progress({ kind: "done", id, outcome: "done" });
    } catch (error) {
      work.progress({ kind: "done", id, outcome: signal.aborted ? "cancelled" : "failed" });
      throw error;
    }
  };
  const documents: Descriptor[] = [];
  const blobs: Promise<void>[] = [];
  let failure: unknown;
  try {
    for await (const item of reachable(source, descriptor)) {
      if (isIndexType(item.mediaType) || isManifestType(item.mediaType)) {
        documents.push(item);
        continue;
      }
      const taken = place(signal, () => take(item));
      taken.catch((error: unknown) => {
        failure ??= error;
        stopped.abort(error);
      });
      blobs.push(taken);
    }
  } catch (error) {
    failure ??= error;
    stopped.abort(error);
  }
  await Promise.allSettled(blobs);
  if (failure !== undefined) throw failure;
  for (const item of documents) await take(item);
  return counts;
}

async function* counted(
  stream: AsyncIterable<Uint8Array>,
  id: string,
  work: Work,
  signal: AbortSignal,
  leaves: "nothing" | "buffers",
): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  for await (const chunk of stream) {
    signal.throwIfAborted();
    bytes += chunk.length;
    if (leaves === "buffers") sweepAfter(chunk.length);
    work.progress({ kind: "bytes", id, bytes });
    yield chunk;
  }
}
