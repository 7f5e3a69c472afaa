import { closeSync, openSync, readSync } from "node:fs";
import { explainSystemError, WhittleError } from "../io/index.ts";

/**
 * Memory that texts are put into one after the other. Who makes several indexes uses the same memory for all: that
 * of the last one would still be there, waiting for the collector, while the next one takes its own.
 */
export class TextMemory {
  #memory = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Forgets what is in it. */
  clear(): void {
    this.#length = 0;
  }

  /** Puts a text of Latin-1 characters at the end. */
  add(text: string): void {
    const end = this.#length + text.length;
    if (end > this.#memory.length) this.#grow(end);
    this.#memory.write(text, this.#length, "latin1");
    this.#length = end;
  }

  /** What lies between two places, until something is put into it again. */
  part(start: number, end: number): Buffer {
    return this.#memory.subarray(start, end);
  }

  #grow(wanted: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(firstMemory, 2 * this.#memory.length, wanted));
    this.#memory.copy(larger, 0, 0, this.#length);
    this.#memory = larger;
  }
}

// Enough for all of Debian, so that it need not grow. Pages of it that nothing is written to are never there.
const firstMemory = 96 * 1024 * 1024;

// What is read at a time; texts above a megabyte would not lie where the collector sees them.
const firstBlock = 512 * 1024;
/** Far above any stanza of Debian (the longest has some 70 KB); a file without blank lines must not fill memory. */
const longestStanza = 4 * 1024 * 1024;

/**
 * Cuts a `Packages` file into texts of whole stanzas. Latin-1: the wanted fields are ASCII, the others are passed over.
 *
 * @throws WhittleError `ARCHIVE_CORRUPT` for a stanza without an end; system errors explained
 */
export function* stanzaBlocks(path: string): Generator<string, void, undefined> {
  const file = opened(path);
  try {
    let block = Buffer.allocUnsafeSlow(firstBlock);
    let filled = 0;
    for (;;) {
      const count = read(path, file, block, filled);
      filled += count;
      if (count === 0) break;
      const end = block.subarray(0, filled).lastIndexOf("\n\n");
      if (end >= 0) {
        yield block.toString("latin1", 0, end + 1);
        block.copyWithin(0, end + 2, filled);
        filled -= end + 2;
      } else if (filled > longestStanza) throw noEnd(path);
      if (filled === block.length) block = Buffer.concat([block], 2 * filled);
    }
    if (filled > 0) yield block.toString("latin1", 0, filled);
  } finally {
    closeSync(file);
  }
}

function opened(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw explainSystemError(error, `read ${path}`);
  }
}

function read(path: string, file: number, into: Buffer, at: number): number {
  try {
    return readSync(file, into, at, into.length - at, null);
  } catch (error) {
    throw explainSystemError(error, `read ${path}`);
  }
}

function noEnd(path: string): WhittleError {
  return new WhittleError(
    "ARCHIVE_CORRUPT",
    `Cannot read the package index ${path}: a stanza has no end, stanzas of a Packages file are wanted`,
  );
}
