import { connectTo, type Trust } from "./connect.ts";
import { bodyLength, parseHead, requestHead } from "./head.ts";
import { Incoming, type Waiting } from "./incoming.ts";
import type { Answer } from "./send.ts";

/** A request for a long body. */
export interface BulkRequest extends Waiting {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** How the server is trusted. */
  readonly tls: Trust;
}

/**
 * Asks for a long body over a connection of its own, which is read straight into memory that is used again: half the
 * processor time of streams, where each 64 KiB are a buffer that is allocated, queued and collected. A piece of the body
 * is good until the next one is asked for.
 *
 * @returns nothing when the answer is not a plain one with a length: it is to be asked for in the ordinary way
 * @throws Error with a code, as connections fail
 */
export async function getBulk(request: BulkRequest): Promise<Answer | undefined> {
  const { url, headers, signal } = request;
  const head = requestHead(url, headers);
  if (head === undefined) return undefined;
  signal.throwIfAborted();
  const connect = await connectTo(url, request.tls);
  const incoming = new Incoming(connect, request);
  try {
    incoming.socket.write(head, "latin1");
    const answer = parseHead(await incoming.head());
    const length = answer === undefined ? undefined : bodyLength(answer);
    if (answer === undefined || answer.statusCode < 200 || length === undefined) {
      incoming.socket.destroy();
      return undefined;
    }
    const dump = async (): Promise<void> => void incoming.socket.destroy();
    const body = Object.assign(incoming.body(length), { dump });
    return { statusCode: answer.statusCode, headers: answer.headers, body, origin: url.origin };
  } catch (error) {
    incoming.socket.destroy();
    throw error;
  }
}
