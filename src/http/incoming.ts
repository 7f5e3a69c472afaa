import type { OnReadOpts, Socket } from "node:net";
import { pagePieceSize, pagePieces, pageSize } from "../io/index.ts";
import type { Patience } from "./connect.ts";
import { failure } from "./head.ts";

/** How long a server is waited for, and what ends the waiting. */
export interface Waiting extends Patience {
  readonly signal: AbortSignal;
}

// Of a slow connection smaller pieces are handed on.
const enough = 256 * 1024;
// What is read at a time; a piece with less room is full.
const mostRead = 64 * 1024;
const mostHead = 64 * 1024;

/**
 * The answer of an HTTP server, read straight into a few large pieces of memory, which are used again. Nothing is read
 * while a full one waits to be taken. What is taken of a long body are whole pages of {@link pagePieces}, as long as
 * there is more to come: a file can be written from there without another copy.
 */
export class Incoming {
  readonly socket: Socket;
  /** Three are ever made: one is looked at, one is full, one is being filled. */
  readonly #free: Buffer[] = [];
  #full: Buffer | undefined;
  #piece: Buffer = pagePieces.take();
  /** Where the next bytes go. */
  #filled = 0;
  /** The head of the answer, once there is all of it: the piece begins with the body then. */
  #head: string | undefined;
  /** Bytes of the body that nobody has taken; unknown as long as nobody has asked for it. */
  #left = Number.POSITIVE_INFINITY;
  /** Whether somebody looks at a piece, for as long as it takes. */
  #lookedAt = false;
  #ended = false;
  #failure: unknown;
  #wake: (() => void) | undefined;

  /** @param open - connects; what is read is to go where its argument says */
  constructor(open: (onread: OnReadOpts) => Socket, patience: Waiting) {
    const buffer = (): Buffer => this.#piece.subarray(this.#filled);
    this.socket = open({ buffer, callback: (count) => this.#took(count) });
    this.#watch(patience);
  }

  /** The head of the answer, without the empty line after it; to be asked for once, before the body. */
  async head(): Promise<string> {
    while (this.#head === undefined) {
      if (this.#filled > mostHead) throw failure("UND_ERR_HEADERS_OVERFLOW", "the answer's head is too long");
      await this.#more();
    }
    return this.#head;
  }

  /** So many bytes, in pieces that are good until the next one is asked for; the connection ends with them. */
  async *body(length: number): AsyncGenerator<Uint8Array, void, undefined> {
    this.#left = length;
    try {
      while (this.#left > 0) {
        const piece = this.#take();
        if (piece === undefined) {
          await this.#more();
          continue;
        }
        const bytes = piece.subarray(0, this.#left);
        this.#left -= bytes.length;
        this.#lookedAt = true;
        yield bytes;
        this.#lookedAt = false;
        this.#free.push(Buffer.from(piece.buffer, piece.byteOffset, pagePieceSize));
      }
      // Nobody looks at one of them any more; the one that is being filled stays behind.
      for (const piece of this.#free.splice(0)) pagePieces.giveBack(piece);
    } finally {
      this.socket.destroy();
    }
  }

  #take(): Buffer | undefined {
    const full = this.#full;
    if (full !== undefined) {
      this.#full = undefined;
      this.socket.resume();
      return full;
    }
    // Where the next bytes go was settled when the last ones came: a piece is taken like this after those only.
    const isLast = this.#ended ? this.#filled > 0 : this.#filled >= this.#left;
    return isLast ? this.#turn(this.#filled) : undefined;
  }

  /** Takes the first bytes of the piece that was being filled, and puts another one with the rest in its place. */
  #turn(size: number): Buffer {
    const taken = this.#piece.subarray(0, size);
    const rest = this.#piece.subarray(size, this.#filled);
    this.#piece = this.#free.pop() ?? pagePieces.take();
    this.#piece.set(rest);
    this.#filled = rest.length;
    return taken;
  }

  /** Is told that so many bytes were read; answers whether to go on. */
  #took(count: number): boolean {
    this.#filled += count;
    if (this.#head === undefined) this.#findHead(count);
    const isWanted = this.#wake !== undefined && Number.isFinite(this.#left);
    const isFull = pagePieceSize - this.#filled < mostRead;
    const isLast = this.#filled >= this.#left;
    if (isFull || (isWanted && (isLast || this.#filled >= enough + pageSize)))
      this.#full = this.#turn(isLast ? this.#filled : this.#filled - (this.#filled % pageSize));
    this.#wake?.();
    return this.#full === undefined;
  }

  #findHead(fresh: number): void {
    // The end may have begun with the bytes before.
    const end = this.#piece
      .subarray(0, this.#filled)
      .indexOf("\r\n\r\n", Math.max(this.#filled - fresh - 3, 0));
    if (end < 0 || end > mostHead) return;
    this.#head = this.#piece.toString("latin1", 0, end);
    this.#piece.copyWithin(0, end + 4, this.#filled);
    this.#filled -= end + 4;
  }

  /** Waits until something has happened. */
  async #more(): Promise<void> {
    if (this.#ended) throw this.#failure ?? failure("UND_ERR_SOCKET", "the server broke the connection");
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  #watch({ connecting, stall, signal }: Waiting): void {
    const { socket } = this;
    const stop = (): void => void socket.destroy(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    let code = "UND_ERR_CONNECT_TIMEOUT";
    socket.setTimeout(connecting);
    socket.once("ready", () => {
      code = "UND_ERR_BODY_TIMEOUT";
      socket.setTimeout(stall);
    });
    socket.on("timeout", () => {
      if (!this.#lookedAt) socket.destroy(failure(code, "the server is silent"));
    });
    socket.on("error", (error) => {
      this.#failure = signal.aborted ? signal.reason : error;
    });
    socket.on("close", () => {
      signal.removeEventListener("abort", stop);
      this.#ended = true;
      this.#wake?.();
    });
  }
}
