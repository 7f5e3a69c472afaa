import { open } from "node:fs/promises";
import { HttpStatus } from "../http/index.ts";
import type { Descriptor } from "../image/index.ts";
import { WhittleError, type Work } from "../io/index.ts";
import { type GrowingFile, growing, growsBeyond } from "./growing.ts";
import { locationOf } from "./refusal.ts";
import { counted, monolithic } from "./send-blob.ts";
import type { Session } from "./session.ts";
import type { Pushed } from "./upload.ts";
import { finished, hasBlob } from "./upload-requests.ts";

/** A blob that is on its way into a repository before anybody knows its digest. */
export interface Ahead {
  readonly session: Session;
  readonly repository: string;
  /** Where it grows. */
  readonly file: string;
  /** What it comes to; rejected when it comes to nothing. */
  readonly written: Promise<Descriptor>;
  readonly work: Work;
}

// What is begun in vain is cleared away, which nobody waits for longer.
const clearingTime = 5000;

/** Registries that have refused a body of unknown length: they are not sent another one. */
const refusing = new WeakSet<Session>();

/**
 * Sends a blob while it is being written: its file is read as it grows, as fast as the registry takes it, and the upload
 * is closed with the digest when that is known (distribution-spec, "Pushing Blobs"). Nothing is resumed here: whatever
 * goes wrong, the upload is given up, and the blob can be pushed from where it was written to like any other.
 *
 * @returns what has become of it; nothing where it has yet to be pushed. Never throws
 */
export async function uploadAhead(ahead: Ahead): Promise<Pushed | undefined> {
  const { session, written, work } = ahead;
  if (refusing.has(session)) return undefined;
  const file = await open(ahead.file, "r").catch(() => undefined);
  if (file === undefined) return undefined;
  const from = { file, whole: written, signal: work.signal };
  let release = (): void => undefined;
  try {
    // One that turns out to be small is sent in one request.
    if (!(await growsBeyond(monolithic, from))) return undefined;
    release = await session.places.out.acquire(work.signal);
    if (!(await growsBeyond(0, from))) return undefined;
    return await send(ahead, from);
  } catch {
    return undefined;
  } finally {
    release();
    await file.close();
  }
}

let number = 0;

async function send(ahead: Ahead, from: GrowingFile): Promise<Pushed | undefined> {
  const { session, repository, written, work } = ahead;
  const doing = `push a layer to ${session.host}/${repository}`;
  const common = { scopes: [`repository:${repository}:pull,push`], doing };
  const begun = await session.request({
    ...{ ...common, method: "POST", path: `${repository}/blobs/uploads/`, expected: [202] },
    ...{ headers: { "content-length": "0" }, signal: work.signal },
  });
  await begun.answer.body.dump();
  let location = locationOf(begun.answer, begun.address, doing);
  const id = `ahead:${session.host}/${repository}/${number++}`;
  work.progress({ kind: "start", id, label: "push a layer as it is written" });
  const stopped = new AbortController();
  const signal = AbortSignal.any([work.signal, stopped.signal]);
  let isThere = false;
  // Somebody else may have pushed it meanwhile: then the rest need not travel.
  const looked = written
    .then((blob) => hasBlob({ ...ahead, descriptor: blob, work: { ...work, signal } }))
    .then((there) => {
      isThere = there;
      if (there) stopped.abort();
    })
    .catch(() => undefined);
  try {
    const patched = await session.once({
      ...{ ...common, method: "PATCH", path: location, expected: [202, 204], signal },
      headers: { "content-type": "application/octet-stream" },
      body: () =>
        counted(growing({ ...from, signal }), 0, (bytes) => work.progress({ kind: "bytes", id, bytes })),
    });
    await patched.answer.body.dump();
    location = locationOf(patched.answer, patched.address, doing);
    const blob = await written;
    await looked;
    signal.throwIfAborted();
    const ended = await session.once({
      ...{ ...common, method: "PUT", path: finished(location, blob) },
      ...{ headers: { "content-length": "0" }, expected: [201], signal },
    });
    await ended.answer.body.dump();
    work.progress({ kind: "done", id, outcome: "done", detail: blob.digest.slice(7, 19) });
    return "uploaded";
  } catch (error) {
    if (isRefusal(error)) refusing.add(session);
    work.progress({ kind: "done", id, outcome: isThere ? "cached" : "cancelled" });
    await session
      .once({
        ...{ ...common, method: "DELETE", path: location, expected: [200, 202, 204] },
        signal: AbortSignal.timeout(clearingTime),
      })
      .then(({ answer }) => answer.body.dump())
      .catch(() => undefined);
    return isThere ? "there" : undefined;
  } finally {
    // Nobody reads the file any more.
    stopped.abort();
  }
}

/** Whether a registry does not want what it was sent, and will not want it the next time. */
function isRefusal(error: unknown): boolean {
  return error instanceof WhittleError || (error instanceof HttpStatus && error.status === 501);
}
