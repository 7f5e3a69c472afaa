import { closeSync, constants, openSync, write, writeSync } from "node:fs";
import { promisify } from "node:util";
import { isSystemError } from "./errors.ts";
import { isWholePages, pagePieceSize, pagePieces, pageSize } from "./page-memory.ts";

// Whatever the system does in its memory is done at once: the way through the thread pool would cost more. What
// is longer than this is written by a thread of it, while the next bytes are received and proved.
const behindAfter = 256 * 1024;
// A chunk of this size is written from where it is; smaller ones are gathered first.
const large = 128 * 1024;
// Who writes more files than that at a time has the others' chunks written as they come.
const mostGathering = 24;
let gathering = 0;
const writeInThread = promisify(write);

/** How a file is written. */
export interface WriteBehindOptions {
  /** Where in the file to begin; at its beginning when nothing is said. */
  readonly from?: number;
  /**
   * The file's path: whole pages are written straight to the disk where the file system can do that (open(2),
   * `O_DIRECT`). Whoever has the file flushed in the end waits for the disk anyway, and filling the system's memory
   * before takes more of the processor's time than receiving the bytes.
   */
  readonly directly?: string | undefined;
  /** Sees the bytes in order, while they are written; what it answers is waited for as long. */
  readonly seen: (bytes: Uint8Array) => Promise<void> | undefined;
}

/** What is being filled, and what was written last. */
type Buffers = readonly [Buffer, Buffer];

/** Writes a file piece by piece; of a long one, the last bytes are on their way while others come. */
export class WriteBehind {
  readonly #file: number;
  readonly #seen: WriteBehindOptions["seen"];
  /** Where the next chunk goes. */
  #at: number;
  /** Bytes that came. */
  #size = 0;
  /** The same file, opened past the system's memory; its path as long as it has not been opened. */
  #direct: number | string | undefined;
  /** Made when a file turns out to be long. */
  #buffers: Buffers | undefined;
  #filled = 0;
  #writing: Promise<void> | undefined;

  constructor(file: number, { from = 0, directly, seen }: WriteBehindOptions) {
    this.#file = file;
    this.#at = from;
    this.#direct = directly;
    this.#seen = seen;
  }

  /** Takes a chunk, which may be used again once this is done. */
  async write(chunk: Uint8Array): Promise<void> {
    const at = this.#at;
    this.#at += chunk.length;
    this.#size += chunk.length;
    if (this.#size <= behindAfter && this.#directly(chunk, at) === this.#file) {
      for (let done = 0; done < chunk.length; )
        done += writeSync(this.#file, chunk, done, chunk.length - done, at + done);
      await this.#seen(chunk);
      return;
    }
    const gathered = chunk.length < large ? this.#gathered() : undefined;
    if (gathered !== undefined) return this.#gather(gathered, chunk, at);
    // Nothing is waited for that need not be.
    if (this.#buffers !== undefined && this.#filled > 0) await this.#swap(this.#buffers, at);
    if (this.#writing !== undefined) await this.#writing;
    // Where to is settled now: what was on its way may have found that the file system cannot be gone past.
    this.#begin(chunk, at);
    await this.#writing;
    this.#writing = undefined;
  }

  /** The buffers that small chunks go to; none where too many have some. */
  #gathered(): Buffers | undefined {
    if (this.#buffers === undefined && gathering < mostGathering) {
      gathering += 1;
      this.#buffers = [pagePieces.take(), pagePieces.take()];
    }
    return this.#buffers;
  }

  async #gather(gathered: Buffers, chunk: Uint8Array, start: number): Promise<void> {
    let buffers = gathered;
    for (let at = 0; at < chunk.length; ) {
      // Where the first buffer begins in the middle of a page, the others do not.
      const room = pagePieceSize - ((start + at - this.#filled) % pageSize);
      const end = Math.min(chunk.length, at + room - this.#filled);
      buffers[0].set(chunk.subarray(at, end), this.#filled);
      this.#filled += end - at;
      at = end;
      if (this.#filled === room) buffers = await this.#swap(buffers, start + at);
    }
  }

  /** Waits until everything is written. Has to be called before the file is closed, whatever has failed. */
  async end(): Promise<void> {
    try {
      if (this.#buffers !== undefined) await this.#swap(this.#buffers, this.#at);
      await this.#writing;
    } finally {
      if (this.#buffers !== undefined) gathering -= 1;
      for (const buffer of this.#buffers ?? []) pagePieces.giveBack(buffer);
      this.#buffers = undefined;
      if (typeof this.#direct === "number") closeSync(this.#direct);
      this.#direct = undefined;
    }
  }

  /** Waits until the other buffer is free, and writes this one meanwhile, which goes up to some place of the file. */
  async #swap([full, free]: Buffers, end: number): Promise<Buffers> {
    await this.#writing;
    const bytes = full.subarray(0, this.#filled);
    const swapped: Buffers = [free, full];
    this.#buffers = swapped;
    this.#filled = 0;
    this.#begin(bytes, end - bytes.length);
    return swapped;
  }

  #begin(bytes: Uint8Array, at: number): void {
    this.#writing = this.#both(this.#directly(bytes, at), bytes, at);
    // Its failure is the next one's who waits for it.
    this.#writing.catch(() => undefined);
  }

  async #both(file: number, bytes: Uint8Array, at: number): Promise<void> {
    const written = this.#all(file, bytes, at);
    written.catch(() => undefined);
    try {
      await this.#seen(bytes);
    } finally {
      // Until then the bytes are needed, whatever has failed.
      await written;
    }
  }

  async #all(file: number, bytes: Uint8Array, start: number): Promise<void> {
    try {
      for (let at = 0; at < bytes.length; ) {
        // A disk takes whole pages; what is left of an interrupted write is written in the ordinary way.
        const to = at % pageSize === 0 ? file : this.#file;
        at += (await writeInThread(to, bytes, at, bytes.length - at, start + at)).bytesWritten;
      }
    } catch (error) {
      if (file === this.#file || !isNotDirect(error)) throw error;
      closeSync(file);
      this.#direct = undefined;
      await this.#all(this.#file, bytes, start);
    }
  }

  /** Where a chunk for some place of the file is to be written. */
  #directly(chunk: Uint8Array, at: number): number {
    const isWhole = chunk.length >= large && at % pageSize === 0 && isWholePages(chunk);
    if (this.#direct === undefined || !isWhole) return this.#file;
    if (typeof this.#direct === "string") {
      try {
        this.#direct = openSync(this.#direct, constants.O_WRONLY | constants.O_DIRECT);
      } catch (error) {
        if (!isNotDirect(error)) throw error;
        this.#direct = undefined;
      }
    }
    return this.#direct ?? this.#file;
  }
}

/** Whether a file system refuses to be gone past its memory, in general or in pieces like ours. */
function isNotDirect(error: unknown): boolean {
  return isSystemError(error) && (error.code === "EINVAL" || error.code === "EOPNOTSUPP");
}
