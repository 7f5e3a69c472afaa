import type { Socket } from "node:net";
import { type AnswerHead, type BodyLength, bodyLength, failure, parseHead, requestHead } from "./head.ts";
import type { Answer, SendRequest } from "./send.ts";

/** One request on a connection. */
export interface Exchange extends SendRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

const mostHead = 64 * 1024;
// What has come and nobody has taken; above it, the server is held up.
const mostWaiting = 256 * 1024;
// A body that nobody wants is read to its end when that is near.
const mostDumped = 128 * 1024;

/**
 * A connection over which requests go to an HTTP server, one after the other (RFC 9112). A piece of a body that is sent
 * is done with when the next one is asked for, so that a file can be sent through one piece of memory.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #stall: number;
  #waiting: Buffer[] = [];
  #size = 0;
  #isEnded = false;
  #failure: unknown;
  #wake: (() => void) | undefined;
  /** What a silence that lasts too long is called. */
  #silence = "UND_ERR_CONNECT_TIMEOUT";
  #isMade = false;
  /** Whether the next bytes are ours to send, and have yet to be made. */
  #isMaking = false;
  #isAnswered = false;
  #isHeard = false;

  /**
   * @param ready - the event that tells that the connection is made
   * @param connecting - milliseconds for that
   * @param stall - milliseconds of silence after which an exchange fails
   */
  constructor(
    socket: Socket,
    ready: "connect" | "secureConnect",
    { connecting, stall }: { readonly connecting: number; readonly stall: number },
  ) {
    this.#socket = socket;
    this.#stall = stall;
    socket.setNoDelay(true);
    socket.setTimeout(connecting);
    socket.once(ready, () => {
      this.#silence = "UND_ERR_HEADERS_TIMEOUT";
      socket.setTimeout(stall);
      this.#isMade = true;
      this.#wake?.();
    });
    socket.on("data", (chunk: Buffer) => this.#took(chunk));
    socket.on("timeout", () => this.#tooSilent());
    socket.on("error", (error) => {
      this.#failure ??= error;
    });
    socket.on("close", () => {
      this.#isEnded = true;
      this.#wake?.();
    });
  }

  /** Whether anything has come back of the last request; of one that failed otherwise, the server may not know. */
  get isHeard(): boolean {
    return this.#isHeard;
  }

  /** Whether nothing is left of the last exchange, and another one can begin. */
  get isIdle(): boolean {
    return !this.#isEnded && !this.#socket.destroyed && this.#size === 0;
  }

  /** Keeps the program from ending, or not. */
  hold(held: boolean): void {
    if (held) this.#socket.ref();
    else this.#socket.unref();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /**
   * Sends a request and waits for the head of its answer.
   *
   * @param ended - is told when the connection is done with it, and whether it can take another one; where this
   *   throws, it cannot, and is not told
   * @throws Error with a code, as connections fail; what the body's source throws; the signal's reason
   */
  async exchange(request: Exchange, ended: (reusable: boolean) => void): Promise<Answer> {
    const { signal, url, method = "GET" } = request;
    const stop = (): void => this.#fail(signal.reason);
    try {
      signal.throwIfAborted();
      signal.addEventListener("abort", stop, { once: true });
      this.#isHeard = false;
      this.#isAnswered = false;
      // What is written before fails in place of the connection, with fewer words.
      while (!this.#isMade) await this.#more();
      const sent = this.#send(request, method);
      const head = await this.#finalHead();
      this.#isAnswered = true;
      this.#silence = "UND_ERR_BODY_TIMEOUT";
      const length = bodyLength(method, head);
      if (length === undefined) throw failure("UND_ERR_SOCKET", "the length of the answer is not clear");
      const release = (whole: boolean): void => {
        signal.removeEventListener("abort", stop);
        this.#silence = "UND_ERR_HEADERS_TIMEOUT";
        const reusable = whole && head.lasting && length !== "close" && sent.isWhole && this.isIdle;
        if (!reusable) this.#socket.destroy();
        ended(reusable);
      };
      const { statusCode, headers } = head;
      return { statusCode, headers, origin: url.origin, body: this.#answerBody(length, release) };
    } catch (error) {
      signal.removeEventListener("abort", stop);
      this.#socket.destroy();
      throw error;
    }
  }

  #answerBody(length: BodyLength, release: (whole: boolean) => void): Answer["body"] {
    if (length === 0) release(true);
    const bytes = length === 0 ? none() : this.#body(length, release);
    const dump = async (): Promise<void> => {
      let left = mostDumped;
      if (typeof length === "number" && length > left) left = 0;
      try {
        // Begun in any case: what was never begun has no end to be told of.
        for await (const chunk of bytes) {
          left -= chunk.length;
          if (left < 0) break;
        }
      } catch {
        // Nobody wants it.
      }
    };
    return Object.assign(bytes, { dump });
  }

  /** Writes the request; tells meanwhile whether all of it is written. */
  #send({ url, headers, body }: Exchange, method: string): { readonly isWhole: boolean } {
    const sent = { isWhole: false };
    const length =
      body === undefined || body instanceof Uint8Array
        ? String(body?.length ?? 0)
        : headers["content-length"];
    const told: Record<string, string> =
      length === undefined
        ? { "transfer-encoding": "chunked" }
        : body === undefined && (method === "GET" || method === "HEAD")
          ? {}
          : { "content-length": length };
    const head = requestHead(method, url, { ...headers, ...told });
    if (head === undefined)
      throw failure("UND_ERR_INVALID_ARG", "a header has characters that none may have");
    this.#socket.cork();
    this.#socket.write(head, "latin1");
    if (body instanceof Uint8Array) this.#socket.write(body);
    this.#socket.uncork();
    if (body === undefined || body instanceof Uint8Array) {
      sent.isWhole = true;
      return sent;
    }
    this.#sendPieces(body, length === undefined ? undefined : Number(length)).then(
      (whole) => {
        sent.isWhole = whole;
      },
      (error: unknown) => this.#fail(error),
    );
    return sent;
  }

  /** Sends a body piece by piece until there is an answer; answers whether all of it was sent. */
  async #sendPieces(body: AsyncIterable<Uint8Array>, length: number | undefined): Promise<boolean> {
    let size = 0;
    this.#isMaking = true;
    try {
      for await (const piece of body) {
        this.#isMaking = false;
        size += piece.length;
        if (length !== undefined && size > length) throw otherLength(size, length);
        if (piece.length > 0 && !(await this.#write(piece, length === undefined))) return false;
        if (this.#isAnswered) return false;
        this.#isMaking = true;
      }
    } finally {
      this.#isMaking = false;
    }
    if (length !== undefined && size !== length) throw otherLength(size, length);
    return length !== undefined || this.#write(Buffer.from("0\r\n\r\n"), false);
  }

  /** Waits until the system has taken a piece; answers whether it has. */
  #write(piece: Uint8Array, chunked: boolean): Promise<boolean> {
    const socket = this.#socket;
    return new Promise((resolve) => {
      const done = (error?: Error | null): void => resolve(error === undefined || error === null);
      if (!chunked) {
        socket.write(piece, done);
        return;
      }
      socket.cork();
      socket.write(`${piece.length.toString(16)}\r\n`, "latin1");
      socket.write(piece);
      socket.write("\r\n", "latin1", done);
      socket.uncork();
    });
  }

  /** The head of the answer itself, after those that only say that there will be one. */
  async #finalHead(): Promise<AnswerHead> {
    for (;;) {
      const head = parseHead(await this.#line("\r\n\r\n", mostHead));
      if (head === undefined) throw failure("UND_ERR_SOCKET", "the answer is not HTTP");
      if (head.statusCode >= 200) return head;
      if (head.statusCode === 101) throw failure("UND_ERR_SOCKET", "the answer changes the protocol");
    }
  }

  async *#body(
    length: BodyLength,
    release: (whole: boolean) => void,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let whole = false;
    try {
      if (length === "chunked") yield* this.#chunks();
      else if (length === "close") yield* this.#rest();
      else yield* this.#exactly(length);
      whole = true;
    } finally {
      release(whole);
    }
  }

  async *#exactly(length: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = length; left > 0; ) {
      const chunk = await this.#next(left);
      left -= chunk.length;
      yield chunk;
    }
  }

  async *#chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const size = /^([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?$/.exec(await this.#line("\r\n", mostHead))?.[1];
      if (size === undefined) throw failure("UND_ERR_SOCKET", "a chunk of the answer has no size");
      if (Number.parseInt(size, 16) === 0) break;
      yield* this.#exactly(Number.parseInt(size, 16));
      if ((await this.#line("\r\n", mostHead)) !== "")
        throw failure("UND_ERR_SOCKET", "a chunk of the answer does not end where it should");
    }
    // Fields after the body are of no interest.
    let most = mostHead;
    for (let line = await this.#line("\r\n", most); line !== ""; line = await this.#line("\r\n", most)) {
      most -= line.length;
    }
  }

  async *#rest(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      while (this.#size === 0 && !this.#isEnded) await this.#more();
      if (this.#size === 0 && this.#failure === undefined) return;
      yield await this.#next(Number.POSITIVE_INFINITY);
    }
  }

  /** Text up to an end that is taken with it. */
  async #line(end: string, most: number): Promise<string> {
    for (;;) {
      const [first] = this.#waiting;
      const at = first?.indexOf(end, 0, "latin1") ?? -1;
      if (first !== undefined && at >= 0 && at <= most) {
        this.#take(at + end.length);
        return first.toString("latin1", 0, at);
      }
      if (this.#size > most) throw failure("UND_ERR_HEADERS_OVERFLOW", "the answer's head is too long");
      if (this.#waiting.length > 1) this.#waiting = [Buffer.concat(this.#waiting)];
      else await this.#more();
    }
  }

  /** The next bytes, at most so many. */
  async #next(most: number): Promise<Buffer> {
    for (;;) {
      const [first] = this.#waiting;
      if (first !== undefined) {
        const bytes = first.subarray(0, most);
        this.#take(bytes.length);
        return bytes;
      }
      await this.#more();
    }
  }

  /** Takes bytes off the first of the buffers that have come. */
  #take(count: number): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    if (count === first.length) this.#waiting.shift();
    else this.#waiting[0] = first.subarray(count);
    this.#size -= count;
    if (this.#size < mostWaiting && this.#socket.isPaused()) this.#socket.resume();
  }

  #took(chunk: Buffer): void {
    this.#isHeard = true;
    this.#waiting.push(chunk);
    this.#size += chunk.length;
    if (this.#size >= mostWaiting) this.#socket.pause();
    this.#wake?.();
  }

  /** Waits until something has happened. */
  async #more(): Promise<void> {
    if (this.#isEnded || this.#failure !== undefined) {
      throw this.#failure ?? failure("UND_ERR_SOCKET", "the server broke the connection");
    }
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  #tooSilent(): void {
    // Nothing is expected of the server while nobody waits for it, or while it is waiting for us.
    const isOurs = this.#wake === undefined || this.#isMaking;
    if (isOurs && this.#silence !== "UND_ERR_CONNECT_TIMEOUT") this.#socket.setTimeout(this.#stall);
    else this.#fail(failure(this.#silence, "the server is silent"));
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#socket.destroy();
    this.#wake?.();
  }
}

async function* none(): AsyncGenerator<Uint8Array, void, undefined> {}

function otherLength(size: number, length: number): Error {
  return failure(
    "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH",
    `the body has ${size} bytes, ${length} were announced`,
  );
}
