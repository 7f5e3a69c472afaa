import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { TakeBytes } from "../io/index.ts";
import type { Patience } from "./connect.ts";
import { FileBody } from "./file-body.ts";
import { failure } from "./head.ts";
import type { Answer, SendRequest } from "./send.ts";
import { Sendfile } from "./sendfile.ts";

/** A request to one place. */
export interface ExchangeRequest extends SendRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

// A body that nobody wants is read to its end when that is near.
const mostDumped = 128 * 1024;

/**
 * One request by Node's client for HTTP, and its answer. A piece of a body that is sent is done with when the next one
 * is asked for, so that a file can be sent through one piece of memory.
 */
export class Exchange {
  readonly #request: ExchangeRequest;
  readonly #message: ClientRequest;
  readonly #patience: Patience;
  #failure: unknown;
  #response: IncomingMessage | undefined;
  /** What a silence that lasts too long is called. */
  #silence = "UND_ERR_CONNECT_TIMEOUT";
  /** Whether the next bytes are the server's to send. */
  #isItsTurn = true;
  #isSent = false;

  /** @throws Error when a header has characters that none may have */
  constructor(
    request: ExchangeRequest,
    begin: (request: ExchangeRequest) => ClientRequest,
    patience: Patience,
  ) {
    this.#request = request;
    this.#patience = patience;
    const { body, headers } = request;
    const length = body instanceof Uint8Array ? { "content-length": String(body.length) } : {};
    try {
      this.#message = begin({ ...request, headers: { ...headers, ...length } });
    } catch (error) {
      throw failure("UND_ERR_INVALID_ARG", (error as Error).message);
    }
  }

  /** Whether it failed because the server had closed a connection that was kept for it. */
  get wasClosed(): boolean {
    return this.#message.reusedSocket && this.#response === undefined && isBroken(this.#failure);
  }

  /** Sends the request and waits for the head of its answer. */
  async answer(): Promise<Answer> {
    const { signal, url } = this.#request;
    const message = this.#message;
    const stop = (): void => this.#fail(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    message.once("close", () => signal.removeEventListener("abort", stop));
    message.once("socket", (socket) => this.#watch(socket));
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        message.once("response", resolve);
        message.on("error", (error) => {
          this.#failure ??= understood(error);
          reject(this.#failure);
        });
        this.#send().catch((error: unknown) => this.#fail(error));
      });
      this.#response = response;
      this.#silence = "UND_ERR_BODY_TIMEOUT";
      const { statusCode = 0, headers } = response;
      if (statusCode < 200) throw failure("UND_ERR_SOCKET", "the answer changes the protocol");
      return { statusCode, headers, origin: url.origin, body: this.#body(response) };
    } catch (error) {
      message.destroy();
      throw error;
    }
  }

  #body(response: IncomingMessage): Answer["body"] {
    const bytes = this.#bytes(response);
    const length = Number(response.headers["content-length"] ?? Number.NaN);
    const dump = async (): Promise<void> => {
      if (length > mostDumped) {
        this.#message.destroy();
        return;
      }
      let left = mostDumped;
      try {
        for await (const chunk of bytes) {
          left -= chunk.length;
          if (left < 0) break;
        }
      } catch {
        // Nobody wants it.
      }
    };
    // What has no body may never be read, and its connection is to be used again.
    if (length === 0 || this.#request.method === "HEAD" || [204, 304].includes(response.statusCode ?? 0)) {
      response.resume();
      response.once("end", () => this.#end());
    }
    return Object.assign(bytes, { dump });
  }

  async *#bytes(response: IncomingMessage): AsyncGenerator<Uint8Array, void, undefined> {
    if (response.readableEnded) return;
    try {
      for await (const chunk of response as AsyncIterable<Uint8Array>) {
        this.#isItsTurn = false;
        yield chunk;
        this.#isItsTurn = true;
      }
    } catch (error) {
      throw this.#failure ?? understood(error);
    } finally {
      this.#end();
    }
  }

  /** The answer is over; when it came before the whole of the body was sent, so is the connection. */
  #end(): void {
    if (!this.#isSent || this.#response?.readableEnded !== true) this.#message.destroy();
  }

  async #send(): Promise<void> {
    const { body, headers } = this.#request;
    if (body === undefined || body instanceof Uint8Array) this.#finish(body);
    else {
      const length = headers["content-length"];
      await this.#sendPieces(body, length === undefined ? undefined : Number(length));
    }
  }

  #finish(body?: Uint8Array): void {
    this.#message.end(body);
    this.#isSent = true;
  }

  /**
   * Sends a body piece by piece until there is an answer. Between two pieces of a file the system takes what the
   * connection has room for, so it is pieces that wait until there is room again, and the last one that is answered.
   */
  async #sendPieces(body: AsyncIterable<Uint8Array>, length: number | undefined): Promise<void> {
    let size = 0;
    let opening: Promise<Sendfile | undefined> | undefined;
    const take: TakeBytes = async (file, at, most) => {
      const { socket } = this.#message;
      // What has no length is told in chunks; the first piece takes the head along.
      if (length === undefined) return undefined;
      if (size === 0 || socket === null || this.#response !== undefined) return 0;
      opening ??= Sendfile.open(socket, length);
      const taken = await (await opening)?.send(file, at, Math.min(most, length - size) - 1);
      size += taken ?? 0;
      return taken;
    };
    this.#isItsTurn = false;
    try {
      for await (const piece of body instanceof FileBody ? body.pieces(take) : body) {
        this.#isItsTurn = true;
        size += piece.length;
        if (length !== undefined && size > length) throw otherLength(size, length);
        if (piece.length > 0 && !(await this.#write(piece))) return;
        // Before the source is: closing a file takes longer than some answers.
        if (size === length) this.#finish();
        if (this.#response !== undefined) return;
        this.#isItsTurn = false;
      }
    } finally {
      (await opening)?.close();
    }
    this.#isItsTurn = true;
    if (length !== undefined && size !== length) throw otherLength(size, length);
    if (!this.#isSent) this.#finish();
  }

  /** Waits until the system has taken a piece; answers whether it has. */
  #write(piece: Uint8Array): Promise<boolean> {
    return new Promise((resolve) => {
      this.#message.write(piece, (error) => resolve(error === undefined || error === null));
    });
  }

  #watch(socket: Socket): void {
    const { connecting, stall } = this.#patience;
    const made = (): void => {
      if (this.#response === undefined) this.#silence = "UND_ERR_HEADERS_TIMEOUT";
      socket.setTimeout(stall);
    };
    if (socket.connecting) {
      socket.setTimeout(connecting);
      socket.once("encrypted" in socket ? "secureConnect" : "connect", made);
    } else made();
    const silent = (): void => {
      // Nothing is expected of the server while it is waiting for us.
      if (this.#isItsTurn) this.#fail(failure(this.#silence, "the server is silent"));
      else socket.setTimeout(stall);
    };
    socket.on("timeout", silent);
    this.#message.once("close", () => socket.off("timeout", silent));
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    // Its own words would come in place of these.
    this.#message.destroy(error instanceof Error ? error : failure("UND_ERR_SOCKET", String(error)));
  }
}

/** A failure of Node's client in the words that the rest of this folder uses. */
function understood(error: unknown): unknown {
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (code === "HPE_HEADER_OVERFLOW")
    return failure("UND_ERR_HEADERS_OVERFLOW", "the answer's head is too long");
  return /^(?:HPE_|ERR_HTTP_|ERR_STREAM_)/.test(code) ? failure("UND_ERR_SOCKET", message) : error;
}

function isBroken(error: unknown): boolean {
  return /^(?:ECONNRESET|EPIPE)$/.test(String((error as NodeJS.ErrnoException | undefined)?.code));
}

function otherLength(size: number, length: number): Error {
  return failure(
    "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH",
    `the body has ${size} bytes, ${length} were announced`,
  );
}
