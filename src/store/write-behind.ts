import { closeSync, constants, openSync, write, writeSync } from "node:fs";
import { promisify } from "node:util";
import { isSystemError, isWholePages, pageSize, spareBuffers } from "../io/index.ts";

// Whatever the system does in its memory is done at once: the way through the thread pool would cost more. What
// is longer than this is written by a thread of it, while the next bytes are received and proved.
const behindAfter = 256 * 1024;
// A chunk of this size is written from where it is; smaller ones are gathered first.
const large = 128 * 1024;
const bufferSize = 1024 * 1024;
const buffers = spareBuffers(bufferSize, 6);
const writeInThread = promisify(write);

/**
 * Writes a file from its beginning to its end; of a long one, the last bytes are on their way while others come. Told
 * the file's path, it writes whole pages straight to the disk where the file system can do that (open(2), `O_DIRECT`):
 * whoever has the file flushed in the end waits for the disk anyway, and filling the system's memory before takes more
 * of the processor's time than receiving the bytes.
 */
export class WriteBehind {
  readonly #file: number;
  #size = 0;
  /** The same file, opened past the system's memory; its path as long as it has not been opened. */
  #direct: number | string | undefined;
  /** What is being filled, and what was written last; made when a file turns out to be long. */
  #buffers: [Buffer, Buffer] | undefined;
  #filled = 0;
  #writing: Promise<void> | undefined;

  constructor(file: number, { directly }: { readonly directly?: string | undefined } = {}) {
    this.#file = file;
    this.#direct = directly;
  }

  /**
   * Takes a chunk, which may be used again once this is done. Whoever has something else to do with the chunk does it
   * before waiting: a large one is being written meanwhile.
   */
  async write(chunk: Uint8Array): Promise<void> {
    const at = this.#size;
    this.#size += chunk.length;
    const file = chunk.length >= large ? this.#directly(chunk, at) : this.#file;
    if (this.#size <= behindAfter && file === this.#file) {
      for (let from = 0; from < chunk.length; )
        from += writeSync(file, chunk, from, chunk.length - from, at + from);
      return;
    }
    if (chunk.length < large) return this.#gather(chunk, at);
    // Nothing is waited for that need not be: the write begins before this function's caller goes on.
    if (this.#buffers !== undefined && this.#filled > 0) await this.#swap(this.#buffers, at);
    if (this.#writing !== undefined) await this.#writing;
    this.#begin(file, chunk, at);
    await this.#writing;
    this.#writing = undefined;
  }

  async #gather(chunk: Uint8Array, start: number): Promise<void> {
    this.#buffers ??= [buffers.take(), buffers.take()];
    for (let at = 0; at < chunk.length; ) {
      const end = Math.min(chunk.length, at + bufferSize - this.#filled);
      this.#buffers[0].set(chunk.subarray(at, end), this.#filled);
      this.#filled += end - at;
      at = end;
      if (this.#filled === bufferSize) await this.#swap(this.#buffers, start + at);
    }
  }

  /** Waits until everything is written. Has to be called before the file is closed, whatever has failed. */
  async end(): Promise<void> {
    try {
      if (this.#buffers !== undefined) await this.#swap(this.#buffers, this.#size);
      await this.#writing;
    } finally {
      for (const buffer of this.#buffers ?? []) buffers.giveBack(buffer);
      this.#buffers = undefined;
      if (typeof this.#direct === "number") closeSync(this.#direct);
      this.#direct = undefined;
    }
  }

  /** Waits until the other buffer is free, and writes this one meanwhile, which goes up to some place of the file. */
  async #swap([full, free]: [Buffer, Buffer], end: number): Promise<void> {
    await this.#writing;
    const bytes = full.subarray(0, this.#filled);
    this.#buffers = [free, full];
    this.#filled = 0;
    this.#begin(this.#file, bytes, end - bytes.length);
  }

  #begin(file: number, bytes: Uint8Array, at: number): void {
    this.#writing = this.#all(file, bytes, at);
    // Its failure is the next one's who waits for it.
    this.#writing.catch(() => undefined);
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
    if (this.#direct === undefined || at % pageSize !== 0 || !isWholePages(chunk)) return this.#file;
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
