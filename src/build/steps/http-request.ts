import { createGunzip } from "node:zlib";
import { HttpStatus, networkError, openSender, type Send, type StreamedAnswer } from "../../http/index.ts";
import { type Environment, WhittleError } from "../../io/index.ts";

/** What a server answered in the end, redirects followed. */
export interface HttpAnswer {
  readonly status: number;
  readonly etag?: string;
  readonly lastModified?: string;
  /** The bytes as they were meant: a transfer in gzip is undone. Read it, or call `drop`. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives the body up. */
  drop(): void;
}

/** How a file is asked for. */
export interface HttpRequest {
  readonly url: string;
  /** An Authorization header goes to the address's own origin only, wherever it redirects to. */
  readonly headers: Readonly<Record<string, string>>;
  readonly environment: Environment;
  readonly signal: AbortSignal;
  /** Milliseconds of silence after which a server counts as gone. */
  readonly patience: number;
  /** The most bytes that a body may have. */
  readonly mostBytes: number;
}

/** Senders by their patience; each keeps its connections. */
const senders = new WeakMap<Environment, Map<number, Promise<Send>>>();

/**
 * Asks for a file.
 *
 * @throws WhittleError `NETWORK` when the server cannot be reached or falls silent; reading the body throws it when
 *   the server breaks off or sends too much
 */
export async function askFor(request: HttpRequest): Promise<HttpAnswer> {
  const { url, environment, patience, signal } = request;
  // As BuildKit's client does; a transfer in gzip is none of the file's business.
  const headers = { "accept-encoding": "gzip", ...request.headers };
  try {
    const send = await senderFor(environment, patience);
    return answerOf(await send(url, { headers, signal }), request);
  } catch (error) {
    throw explained(error, request);
  }
}

function senderFor(environment: Environment, patience: number): Promise<Send> {
  const known = senders.get(environment) ?? new Map<number, Promise<Send>>();
  senders.set(environment, known);
  const sender = known.get(patience) ?? openSender(environment, patience);
  known.set(patience, sender);
  return sender;
}

function answerOf({ statusCode, headers, body }: StreamedAnswer, request: HttpRequest): HttpAnswer {
  const text = (name: string): string | undefined => {
    const value = headers[name];
    return typeof value === "string" && value.length <= 4096 ? value : undefined;
  };
  const [etag, lastModified] = [text("etag"), text("last-modified")];
  return {
    status: statusCode,
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
    body: capped(text("content-encoding") === "gzip" ? unpacked(body) : body, request),
    drop: () => void body.on("error", () => undefined).destroy(),
  };
}

async function* unpacked(body: StreamedAnswer["body"]): AsyncGenerator<Uint8Array, void, undefined> {
  const gunzip = createGunzip();
  body.on("error", (error) => gunzip.destroy(error)).pipe(gunzip);
  try {
    yield* gunzip as AsyncIterable<Uint8Array>;
  } finally {
    body.on("error", () => undefined).destroy();
  }
}

/** What fails here has failed on its way, whoever reads it. */
async function* capped(
  body: AsyncIterable<Uint8Array>,
  request: HttpRequest,
): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0;
  const { mostBytes } = request;
  try {
    for await (const chunk of body) {
      size += chunk.length;
      if (size > mostBytes) throw new HttpStatus(200, `sends more than ${mostBytes} bytes`);
      yield chunk;
    }
  } catch (error) {
    throw explained(error, request);
  }
}

function explained(error: unknown, { url, signal }: HttpRequest): unknown {
  if (error instanceof WhittleError || signal.aborted) return error;
  return networkError({ doing: `fetch ${url}` }, error);
}
