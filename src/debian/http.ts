import {
  type Answer,
  type Attempt,
  HttpStatus,
  headerOf,
  openSender,
  type RetryPolicy,
  resumed,
  retrying,
  type Send,
  slots,
  Transient,
} from "../http/index.ts";
import { type Environment, WhittleError } from "../io/index.ts";
import { OtherLength } from "./not-served.ts";

/** How a client behaves; every member has a usual value. */
export interface HttpOptions extends Partial<RetryPolicy> {
  /** Milliseconds without a byte after which a transfer counts as stalled (default 30 s). */
  readonly stall?: number;
  /** Transfers at a time (default 8). */
  readonly connections?: number;
}

/** What a server said to tell later whether a document has changed (RFC 9110, 8.8). */
export interface Validators {
  readonly etag?: string;
  readonly lastModified?: string;
}

export type DocumentAnswer =
  | { readonly kind: "found"; readonly bytes: Buffer; readonly validators: Validators }
  | { readonly kind: "unchanged" }
  /** The server says that there is no such document: 404 or 410. */
  | { readonly kind: "absent" };

export interface DownloadRequest {
  /** The exact length of the whole. */
  readonly size: number;
  /** Bytes that the caller has already. */
  readonly from?: number;
  readonly signal: AbortSignal;
}

/** A client for mirrors: proxies from the environment, retries, resumption, stall detection, bounded transfers. */
export interface HttpClient {
  /** A whole small document of unknown length, at most `limit` bytes. */
  document(
    url: string,
    options: { readonly limit: number; readonly validators?: Validators; readonly signal: AbortSignal },
  ): Promise<DocumentAnswer>;
  /** A file of known length from byte `from` on; broken transfers go on where they broke. */
  download(url: string, request: DownloadRequest): AsyncIterable<Uint8Array>;
}

const usual = { attempts: 5, delay: 400, stall: 30_000, connections: 8 };

/** Opens a client; nothing is loaded or connected before the first request. */
export function httpClient(environment: Environment, options: HttpOptions = {}): HttpClient {
  const settings = { ...usual, ...options };
  const slot = slots(settings.connections);
  let opening: Promise<Send> | undefined;
  const send: Send = async (url, request) => {
    opening ??= openSender(environment, settings.stall);
    return (await opening)(url, request);
  };
  return {
    document: (url, request) =>
      retrying(downloading(url), settings, request.signal, () =>
        slot(request.signal, () => readDocument(send, url, request)),
      ),
    download: (url, { size, from = 0, signal }) =>
      resumed({
        ...downloading(url),
        size,
        from,
        signal,
        policy: settings,
        acquire: slot.acquire,
        request: (at) => send(url, { headers: at === 0 ? {} : { range: `bytes=${at}-` }, signal }),
        otherLength: (found) => otherLength(url, found, size),
      }),
  };
}

function downloading(url: string): Attempt {
  return {
    doing: `download ${url}`,
    hint: "check the connection and the proxy variables, or choose another mirror with DEBIAN_MIRROR or `mirror:`",
  };
}

async function readDocument(
  send: Send,
  url: string,
  request: { readonly limit: number; readonly validators?: Validators; readonly signal: AbortSignal },
): Promise<DocumentAnswer> {
  const { etag, lastModified } = request.validators ?? {};
  const response = await send(url, {
    headers: {
      "cache-control": "max-age=0",
      ...(etag === undefined ? {} : { "if-none-match": etag }),
      ...(lastModified === undefined ? {} : { "if-modified-since": lastModified }),
    },
    signal: request.signal,
  });
  if (response.statusCode !== 200) await response.body.dump();
  if (response.statusCode === 304) return { kind: "unchanged" };
  if (response.statusCode === 404 || response.statusCode === 410) return { kind: "absent" };
  if (response.statusCode !== 200) throw HttpStatus.of(response);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > request.limit) {
      throw new WhittleError(
        "ARCHIVE_HOSTILE",
        `Cannot download ${url}: it is longer than ${request.limit} bytes`,
      );
    }
    chunks.push(chunk);
  }
  const announced = Number(headerOf(response, "content-length") ?? size);
  if (announced !== size) throw new Transient(`the transfer ended after ${size} of ${announced} bytes`);
  return { kind: "found", bytes: Buffer.concat(chunks), validators: validatorsOf(response) };
}

function otherLength(url: string, found: string, size: number): WhittleError {
  return new WhittleError(
    "ARCHIVE_UNTRUSTED",
    `Cannot accept ${url}: ${found}, the archive's index says ${size} bytes`,
    {
      hint: "the mirror may be in the middle of an update; try again, or choose another mirror",
      cause: new OtherLength(found),
    },
  );
}

function validatorsOf(response: Answer): Validators {
  const etag = headerOf(response, "etag");
  const lastModified = headerOf(response, "last-modified");
  return {
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
  };
}
