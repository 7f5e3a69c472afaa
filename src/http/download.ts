import {
  type Attempt,
  HttpStatus,
  networkError,
  pauseBeforeRetry,
  type RetryPolicy,
  Transient,
} from "./retry.ts";
import type { Answer } from "./send.ts";

/** A transfer of known length that goes on where it broke. */
export interface Resumable extends Attempt {
  /** The exact length of the whole, in bytes. */
  readonly size: number;
  /** Bytes that the caller has already. */
  readonly from?: number;
  readonly policy: RetryPolicy;
  readonly signal: AbortSignal;
  /** Asks for the bytes from `at` on, with a Range header where `at` is not 0. */
  request(at: number): Promise<Answer>;
  /** The error for a server whose file has another length. */
  otherLength(found: string): Error;
  /** Waits for a place among many transfers; the answer gives it back. */
  readonly acquire?: (signal: AbortSignal) => Promise<() => void>;
}

/**
 * Reads a file of known length; a broken transfer goes on where it broke (RFC 9110, section 14.2).
 *
 * @throws WhittleError `NETWORK` when it makes no way any more, or what `otherLength` makes
 */
export async function* resumed(transfer: Resumable): AsyncGenerator<Uint8Array, void, undefined> {
  const { size, policy, signal } = transfer;
  let at = transfer.from ?? 0;
  let failures = 0;
  while (at < size) {
    const before = at;
    const release = (await transfer.acquire?.(signal)) ?? (() => undefined);
    try {
      for await (const chunk of bodyFrom(transfer, at)) {
        at += chunk.length;
        yield chunk;
      }
      if (at < size) throw new Transient(`the transfer ended after ${at} of ${size} bytes`);
    } catch (error) {
      // A transfer that keeps moving may break as often as it likes.
      failures = at > before ? 1 : failures + 1;
      release();
      await pauseBeforeRetry(error, { ...transfer, failures, policy, signal });
    } finally {
      release();
    }
  }
}

async function* bodyFrom(transfer: Resumable, at: number): AsyncGenerator<Uint8Array, void, undefined> {
  const answer = await transfer.request(at);
  if (answer.statusCode !== 200 && answer.statusCode !== 206) {
    await answer.body.dump();
    throw HttpStatus.of(answer);
  }
  const partial = answer.statusCode === 206;
  // A server that does not know ranges sends all of it again.
  let skip = partial ? 0 : at;
  let left = transfer.size - at;
  const announced = headerOf(answer, "content-length");
  if (announced !== undefined && Number(announced) !== left + skip) {
    await answer.body.dump();
    const total = partial ? at + Number(announced) : Number(announced);
    throw transfer.otherLength(`it is ${total} bytes long`);
  }
  if (partial && !(headerOf(answer, "content-range") ?? "").startsWith(`bytes ${at}-`)) {
    await answer.body.dump();
    throw networkError(transfer, new HttpStatus(206, "answers with another range than was asked for"));
  }
  for await (const chunk of answer.body) {
    const fresh = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - fresh.length;
    left -= fresh.length;
    if (left < 0) throw transfer.otherLength("it does not end where it should");
    if (fresh.length > 0) yield fresh;
  }
}

/** One header of an answer; of one that came several times, nothing. */
export function headerOf(answer: Answer, name: string): string | undefined {
  const value = answer.headers[name];
  return typeof value === "string" ? value : undefined;
}
