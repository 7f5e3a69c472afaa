import { FileBody, HttpStatus, headerOf, pauseBeforeRetry } from "../http/index.ts";
import type { BlobSource, Descriptor } from "../image/index.ts";
import { type Content, type Digest, isSystemError, WhittleError, type Work } from "../io/index.ts";
import { locationOf } from "./refusal.ts";
import type { RegistryAnswer, Session } from "./session.ts";
import { sweepAfter } from "./sweep.ts";

/** What has become of a blob that was to be pushed. */
export type Pushed = "there" | "mounted" | "uploaded";

/** A blob on its way into a repository. */
export interface Upload {
  readonly session: Session;
  readonly repository: string;
  readonly descriptor: Descriptor;
  /** Where the bytes are, when they have to travel. */
  readonly source: BlobSource;
  /** Another repository of the same registry that may have the blob; asked when this one has not. */
  readonly from?: ((blob: Digest) => Promise<string | undefined>) | undefined;
  readonly work: Work;
}

/** Bytes up to which a blob is proved on its way, and no place is asked for that it could go on from. */
export const monolithic = 1024 * 1024;

/**
 * Makes sure that a repository has a blob: by asking, by mounting it from another repository, by sending it. A broken
 * upload goes on where the registry says that it stopped (distribution-spec, "Pushing Blobs").
 *
 * @throws WhittleError `REGISTRY_DENIED`, `REGISTRY_REFUSED`, `NETWORK`
 */
export async function uploadBlob(upload: Upload): Promise<Pushed> {
  const { session, repository, descriptor } = upload;
  const { digest } = descriptor;
  const doing = `push the blob ${digest} to ${session.host}/${repository}`;
  if (await hasBlob(upload)) return "there";
  const from = await upload.from?.(digest);
  const begun =
    from === undefined || from === repository
      ? await begin(upload, doing)
      : await begin(upload, doing, from).catch((error: unknown) => {
          // It may not be had from there; then it has to travel.
          if (!(error instanceof WhittleError) || error.code === "NETWORK") throw error;
          return begin(upload, doing);
        });
  if (begun.answer.statusCode === 201) return "mounted";
  await send(upload, locationOf(begun.answer, begun.address, doing), doing);
  return "uploaded";
}

/** Begins an upload, or mounts the blob from another repository. */
async function begin(
  { session, repository, descriptor, work }: Upload,
  doing: string,
  from?: string,
): Promise<RegistryAnswer> {
  const mount = from === undefined ? "" : `?mount=${descriptor.digest}&from=${encodeURIComponent(from)}`;
  const reading = from === undefined ? [] : [`repository:${from}:pull`];
  const begun = await session.request({
    ...{ method: "POST", path: `${repository}/blobs/uploads/${mount}`, doing, signal: work.signal },
    ...{ scopes: [...pushing({ repository }), ...reading], expected: [201, 202] },
    headers: { "content-length": "0" },
  });
  await begun.answer.body.dump();
  return begun;
}

/** Whether a repository has a blob. */
export async function hasBlob(upload: Omit<Upload, "source">): Promise<boolean> {
  const { session, repository, descriptor, work } = upload;
  const { answer } = await session.request({
    ...{ method: "HEAD", path: `${repository}/blobs/${descriptor.digest}`, expected: [200, 404] },
    ...{ scopes: pushing(upload), signal: work.signal },
    doing: `push the blob ${descriptor.digest} to ${session.host}/${repository}`,
  });
  await answer.body.dump();
  return answer.statusCode === 200;
}

function pushing({ repository }: Pick<Upload, "repository">): readonly string[] {
  return [`repository:${repository}:pull,push`];
}

/**
 * Sends the bytes to an upload that was begun, as often as there is some progress, or the policy allows. A long blob is
 * not proved on its way: the registry has to refuse bytes that have another digest than it was told
 * (distribution-spec, "Pushing Blobs"), and when it refuses them they are looked at here.
 */
async function send(upload: Upload, first: string, doing: string): Promise<void> {
  const { descriptor, source, work } = upload;
  const unproved = descriptor.size > monolithic ? await source.unproved?.(descriptor) : undefined;
  const content = unproved ?? (await source.blob(descriptor));
  try {
    await sendAll(upload, content, first, doing);
  } catch (error) {
    if (unproved !== undefined && error instanceof WhittleError && error.code === "REGISTRY_REFUSED") {
      // Bytes that are not what they should be say so themselves.
      for await (const _chunk of (await source.blob(descriptor)).open()) work.signal.throwIfAborted();
    }
    throw error;
  }
}

async function sendAll(upload: Upload, content: Content, first: string, doing: string): Promise<void> {
  const { session, descriptor, work } = upload;
  const id = `push:${session.host}/${upload.repository}@${descriptor.digest}`;
  work.progress({
    kind: "start",
    id,
    label: `push ${descriptor.digest.slice(7, 19)}`,
    totalBytes: content.size,
  });
  let location = first;
  let at = 0;
  let failures = 0;
  const release = await session.places.out.acquire(work.signal);
  try {
    for (;;) {
      try {
        await sendFrom(upload, content, location, at, id, doing);
        break;
      } catch (error) {
        // A stream's own failure comes through the connection that carried it.
        const reason = error instanceof Error && error.cause instanceof WhittleError ? error.cause : error;
        failures += 1;
        await pauseBeforeRetry(reason, { doing, failures, policy: session.policy, signal: work.signal });
        const stopped = await resumption(upload, location, doing);
        if (stopped === undefined) break;
        if (stopped.at > at) failures = 0;
        ({ location, at } = stopped);
      }
    }
    work.progress({ kind: "done", id, outcome: "done" });
  } catch (error) {
    work.progress({ kind: "done", id, outcome: work.signal.aborted ? "cancelled" : "failed" });
    throw error;
  } finally {
    release();
  }
}

/** Sends what the registry has not in the fewest requests: a whole blob goes with what closes the upload. */
async function sendFrom(
  upload: Upload,
  content: Content,
  location: string,
  at: number,
  id: string,
  doing: string,
): Promise<void> {
  const { session, descriptor, work } = upload;
  const common = { scopes: pushing(upload), doing, signal: work.signal };
  const rest = {
    headers: {
      "content-type": "application/octet-stream",
      "content-length": String(content.size - at),
      ...(at === 0 ? {} : { "content-range": `${at}-${content.size - 1}` }),
    },
    body: () => bytesFrom(content, at, id, work),
  };
  const close = { ...common, method: "PUT", expected: [201] } as const;
  if (at === 0) {
    const { answer } = await session.once({ ...close, ...rest, path: finished(location, descriptor) });
    await answer.body.dump();
    return;
  }
  let end = location;
  // All bytes may have arrived, and only the answer been lost.
  if (at < content.size) {
    const patch = { ...common, method: "PATCH", path: location, expected: [202, 204] } as const;
    const patched = await session.once({ ...patch, ...rest });
    await patched.answer.body.dump();
    end = locationOf(patched.answer, patched.address, doing);
  }
  const { answer } = await session.once({
    ...{ ...close, path: finished(end, descriptor) },
    headers: { "content-length": "0" },
  });
  await answer.body.dump();
}

/** The rest of a blob; one that lies in a file need not be read here to be sent. */
function bytesFrom(content: Content, at: number, id: string, work: Work): AsyncIterable<Uint8Array> {
  const { file, size } = content;
  if (file === undefined) return counted(content.open({ start: at, end: size }), at, id, work);
  const range = { start: file.offset + at, end: file.offset + size };
  return new FileBody(file.path, range, (bytes) => work.progress({ kind: "bytes", id, bytes: at + bytes }));
}

/**
 * Where an upload stands (`GET` of its address). One that the registry knows nothing of any more may have come to its
 * end, and only the answer been lost; else it begins again.
 *
 * @returns nothing where the registry has the blob
 */
async function resumption(
  upload: Upload,
  location: string,
  doing: string,
): Promise<{ readonly location: string; readonly at: number } | undefined> {
  const { session, descriptor, work } = upload;
  const common = { scopes: pushing(upload), doing, signal: work.signal };
  const asked = await session
    .request({ ...common, method: "GET", path: location, expected: [204, 404] })
    .catch((error: unknown) => {
      if (isSystemError(error) || error instanceof HttpStatus) throw error;
      return undefined;
    });
  await asked?.answer.body.dump();
  if (asked?.answer.statusCode === 204) {
    const last = /^(?:bytes=)?0-(\d+)$/.exec(headerOf(asked.answer, "range") ?? "")?.[1];
    const at = last === undefined ? 0 : Number(last) + 1;
    // An empty upload is said to end at byte 0, as one of a single byte is: begin again where that is not told apart.
    if (at > 1 && at <= descriptor.size)
      return { location: locationOf(asked.answer, asked.address, doing), at };
  }
  if (await hasBlob(upload)) return undefined;
  const begun = await begin(upload, doing);
  return { location: locationOf(begun.answer, begun.address, doing), at: 0 };
}

/** The address that closes an upload (`PUT`). */
export function finished(location: string, { digest }: Descriptor): string {
  const url = new URL(location);
  url.searchParams.set("digest", digest);
  return url.href;
}

/** Bytes on their way out, of which the person is told, and which are looked after. */
export async function* counted(
  source: AsyncIterable<Uint8Array>,
  from: number,
  id: string,
  work: Work,
): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = from;
  for await (const chunk of source) {
    yield chunk;
    bytes += chunk.length;
    sweepAfter(chunk.length);
    work.progress({ kind: "bytes", id, bytes });
  }
}
