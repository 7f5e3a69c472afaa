import { write, writeSync } from "node:fs";
import { promisify } from "node:util";
import { spareBuffers } from "../io/index.ts";

// Whatever the system does in its memory is done at once: the way through the thread pool would cost more. What
// is longer than this is written by a thread of it, while the next bytes are received and proved.
const behindAfter = 256 * 1024;
// A chunk of this size is written from where it is; smaller ones are gathered first.
const large = 128 * 1024;
const bufferSize = 1024 * 1024;
const buffers = spareBuffers(bufferSize, 6);
const writeInThread = promisify(write);

/** Writes a file from its beginning to its end; of a long one, the last bytes are on their way while others come. */
export class WriteBehind {
  readonly #file: number;
  #size = 0;
  /** What is being filled, and what was written last; made when a file turns out to be long. */
  #buffers: [Buffer, Buffer] | undefined;
  #filled = 0;
  #writing: Promise<void> | undefined;

  constructor(file: number) {
    this.#file = file;
  }

  /**
   * Takes a chunk, which may be used again once this is done. Whoever has something else to do with the chunk does it
   * before waiting: a large one is being written meanwhile.
   */
  async write(chunk: Uint8Array): Promise<void> {
    this.#size += chunk.length;
    if (this.#size <= behindAfter) {
      for (let at = 0; at < chunk.length; ) at += writeSync(this.#file, chunk, at, chunk.length - at);
      return;
    }
    if (chunk.length < large) return this.#gather(chunk);
    // Nothing is waited for that need not be: the write begins before this function's caller goes on.
    if (this.#buffers !== undefined && this.#filled > 0) await this.#swap(this.#buffers);
    if (this.#writing !== undefined) await this.#writing;
    this.#begin(chunk);
    await this.#writing;
    this.#writing = undefined;
  }

  async #gather(chunk: Uint8Array): Promise<void> {
    this.#buffers ??= [buffers.take(), buffers.take()];
    for (let at = 0; at < chunk.length; ) {
      const end = Math.min(chunk.length, at + bufferSize - this.#filled);
      this.#buffers[0].set(chunk.subarray(at, end), this.#filled);
      this.#filled += end - at;
      at = end;
      if (this.#filled === bufferSize) await this.#swap(this.#buffers);
    }
  }

  /** Waits until everything is written. Has to be called before the file is closed, whatever has failed. */
  async end(): Promise<void> {
    if (this.#buffers !== undefined) await this.#swap(this.#buffers);
    await this.#writing;
    for (const buffer of this.#buffers ?? []) buffers.giveBack(buffer);
    this.#buffers = undefined;
  }

  /** Waits until the other buffer is free, and writes this one meanwhile. */
  async #swap([full, free]: [Buffer, Buffer]): Promise<void> {
    await this.#writing;
    const bytes = full.subarray(0, this.#filled);
    this.#buffers = [free, full];
    this.#filled = 0;
    this.#begin(bytes);
  }

  #begin(bytes: Uint8Array): void {
    this.#writing = this.#all(bytes);
    // Its failure is the next one's who waits for it.
    this.#writing.catch(() => undefined);
  }

  async #all(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      at += (await writeInThread(this.#file, bytes, at, bytes.length - at)).bytesWritten;
    }
  }
}
