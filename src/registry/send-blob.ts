import { FileBody, HttpStatus, headerOf, pauseBeforeRetry } from "../http/index.ts";
import { type Content, isSystemError, WhittleError } from "../io/index.ts";
import { locationOf, tooLong, wordsOf } from "./refusal.ts";
import type { RegistryAnswer, Session } from "./session.ts";
import { sweepAfter } from "./sweep.ts";
import { begin, finished, hasBlob, pushing, type Upload } from "./upload-requests.ts";

/** Bytes up to which a blob is proved on its way, and no place is asked for that it could go on from. */
export const monolithic = 1024 * 1024;

const megabyte = 1024 * 1024;

/** Bytes in one request where all at once are too many: half as many each time, and no fewer than nginx takes unasked. */
const firstChunk = 64 * megabyte;
const shortest = megabyte;

/** The longest requests that get through to registries; any do to others. */
const longest = new WeakMap<Session, number>();

/**
 * Sends the bytes to an upload that was begun, as often as there is some progress, or the policy allows. A long blob is
 * not proved on its way: the registry has to refuse bytes that have another digest than it was told
 * (distribution-spec, "Pushing Blobs"), and when it refuses them they are looked at here.
 */
export async function sendBlob(upload: Upload, location: string, doing: string): Promise<void> {
  const { descriptor, source, work } = upload;
  const unproved = descriptor.size > monolithic ? await source.unproved?.(descriptor) : undefined;
  const content = unproved ?? (await source.blob(descriptor));
  try {
    await new Sending(upload, content, location, doing).all();
  } catch (error) {
    if (unproved !== undefined && error instanceof WhittleError && error.code === "REGISTRY_REFUSED") {
      // Bytes that are not what they should be say so themselves.
      for await (const _chunk of (await source.blob(descriptor)).open()) work.signal.throwIfAborted();
    }
    throw error;
  }
}

/** One blob on its way: where it goes, and how far it is. */
class Sending {
  readonly #upload: Upload;
  readonly #content: Content;
  readonly #doing: string;
  readonly #id: string;
  #location: string;
  #at = 0;

  constructor(upload: Upload, content: Content, location: string, doing: string) {
    const { session, repository, descriptor } = upload;
    this.#upload = upload;
    this.#content = content;
    this.#location = location;
    this.#doing = doing;
    this.#id = `push:${session.host}/${repository}@${descriptor.digest}`;
  }

  async all(): Promise<void> {
    const { session, descriptor, work } = this.#upload;
    const [id, doing] = [this.#id, this.#doing];
    const label = `push ${descriptor.digest.slice(7, 19)}`;
    work.progress({ kind: "start", id, label, totalBytes: this.#content.size });
    let failures = 0;
    let isThere = false;
    try {
      while (!isThere) {
        const from = this.#at;
        const release = await session.places.out.acquire(work.signal);
        try {
          isThere = await this.#next(release);
        } catch (error) {
          release();
          // A stream's own failure comes through the connection that carried it.
          const reason = error instanceof Error && error.cause instanceof WhittleError ? error.cause : error;
          failures += 1;
          await pauseBeforeRetry(reason, { doing, failures, policy: session.policy, signal: work.signal });
          isThere = await this.#resume();
        } finally {
          release();
        }
        if (this.#at > from) failures = 0;
      }
      work.progress({ kind: "done", id, outcome: "done" });
    } catch (error) {
      work.progress({ kind: "done", id, outcome: work.signal.aborted ? "cancelled" : "failed" });
      throw error;
    }
  }

  /**
   * Makes one request with as many bytes as it may have: all of them close the upload as well.
   *
   * @param sent - called when they have gone: while a registry makes them durable, others may follow
   * @returns whether the blob is there
   */
  async #next(sent: () => void): Promise<boolean> {
    const { session, descriptor, work } = this.#upload;
    const { size } = this.#content;
    const most = longest.get(session) ?? size;
    const [at, end] = [this.#at, Math.min(this.#at + most, size)];
    const isWhole = end - at === size;
    const closes = isWhole || at === size;
    const gone = (bytes: number): void => {
      work.progress({ kind: "bytes", id: this.#id, bytes });
      if (bytes === end) sent();
    };
    const answered = await session.once({
      ...{ scopes: pushing(this.#upload), doing: this.#doing, signal: work.signal },
      ...(closes
        ? { method: "PUT", path: finished(this.#location, descriptor) }
        : { method: "PATCH", path: this.#location }),
      expected: [...(closes ? [201] : [202, 204]), ...(end - at > shortest ? [413] : [])],
      headers: {
        "content-length": String(end - at),
        ...(end > at ? { "content-type": "application/octet-stream" } : {}),
        ...(closes ? {} : { "content-range": `${at}-${end - 1}` }),
      },
      ...(end > at ? { body: () => bytesBetween(this.#content, at, end, gone) } : {}),
    });
    if (answered.answer.statusCode === 413) {
      await requireFromBefore(answered, this.#doing, session);
      longest.set(session, Math.max(shortest, Math.min((end - at) >> 1, firstChunk, most)));
      return this.#resume();
    }
    await answered.answer.body.dump();
    if (!closes) this.#location = locationOf(answered.answer, answered.address, this.#doing);
    this.#at = end;
    return closes;
  }

  /**
   * Asks where the upload stands (`GET` of its address). One that the registry knows nothing of any more may have come
   * to its end, and only the answer been lost; else it begins again.
   *
   * @returns whether the blob is there
   */
  async #resume(): Promise<boolean> {
    const { session, descriptor, work } = this.#upload;
    const common = { scopes: pushing(this.#upload), doing: this.#doing, signal: work.signal };
    const asked = await session
      .request({ ...common, method: "GET", path: this.#location, expected: [204, 404] })
      .catch((error: unknown) => {
        if (isSystemError(error) || error instanceof HttpStatus) throw error;
        return undefined;
      });
    await asked?.answer.body.dump();
    if (asked?.answer.statusCode === 204) {
      const last = /^(?:bytes=)?0-(\d+)$/.exec(headerOf(asked.answer, "range") ?? "")?.[1];
      const at = last === undefined ? 0 : Number(last) + 1;
      // An empty upload is said to end at byte 0, as one of a single byte is: begin again where that is not told apart.
      if (at > 1 && at <= descriptor.size) {
        this.#location = locationOf(asked.answer, asked.address, this.#doing);
        this.#at = at;
        return false;
      }
    }
    if (await hasBlob(this.#upload)) return true;
    const begun = await begin(this.#upload, this.#doing);
    this.#location = locationOf(begun.answer, begun.address, this.#doing);
    this.#at = 0;
    return false;
  }
}

/** A registry that wants no blob of this length says why; what stands before it has no words of a registry. */
async function requireFromBefore(
  { answer }: RegistryAnswer,
  doing: string,
  { host }: Session,
): Promise<void> {
  const words = await wordsOf(answer);
  if (words !== "") throw tooLong(`Cannot ${doing}: ${host} answers 413 (${words})`);
}

/** A part of a blob; one that lies in a file need not be read here to be sent. */
function bytesBetween(
  content: Content,
  start: number,
  end: number,
  gone: (bytes: number) => void,
): AsyncIterable<Uint8Array> {
  const { file } = content;
  if (file === undefined) return counted(content.open({ start, end }), start, gone);
  const range = { start: file.offset + start, end: file.offset + end };
  return new FileBody(file.path, range, (bytes) => gone(start + bytes));
}

/**
 * Bytes on their way out, which are looked after.
 *
 * @param gone - told of the place behind each piece when it has gone
 */
export async function* counted(
  source: AsyncIterable<Uint8Array>,
  from: number,
  gone: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = from;
  for await (const chunk of source) {
    yield chunk;
    bytes += chunk.length;
    sweepAfter(chunk.length);
    gone(bytes);
  }
}
