import { type Content, readContent, WhittleError } from "../io/index.ts";
import type { Encoding } from "./machine.ts";

/** Makes the one error that a malformed file causes. */
export function invalidElf(what: string, found: string, cause?: unknown): WhittleError {
  return new WhittleError("ELF_INVALID", `Cannot read ${what} as ELF: ${found}`, {
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A piece of a file, with numbers read in the file's own encoding. Reading past its end is an error. */
export class ElfBytes {
  readonly bytes: Buffer;
  readonly #encoding: Encoding;
  readonly #what: string;

  constructor(bytes: Buffer, encoding: Encoding, what: string) {
    this.bytes = bytes;
    this.#encoding = encoding;
    this.#what = what;
  }

  get length(): number {
    return this.bytes.length;
  }

  u16(at: number): number {
    this.#check(at, 2);
    return this.#encoding.order === "little" ? this.bytes.readUInt16LE(at) : this.bytes.readUInt16BE(at);
  }

  u32(at: number): number {
    this.#check(at, 4);
    return this.#encoding.order === "little" ? this.bytes.readUInt32LE(at) : this.bytes.readUInt32BE(at);
  }

  /**
   * An address, offset or size: 4 bytes in a 32-bit file, 8 in a 64-bit one. Above 2^53 the value is rounded,
   * which no file is long enough to notice.
   */
  word(at: number): number {
    if (this.#encoding.bits === 32) return this.u32(at);
    this.#check(at, 8);
    return Number(
      this.#encoding.order === "little" ? this.bytes.readBigUInt64LE(at) : this.bytes.readBigUInt64BE(at),
    );
  }

  /** A NUL-terminated string; `undefined` when it does not end inside these bytes. */
  string(at: number): string | undefined {
    this.#check(at, 0);
    const end = this.bytes.indexOf(0, at);
    return end < 0 ? undefined : this.bytes.toString("utf8", at, end);
  }

  #check(at: number, size: number): void {
    if (!(at >= 0 && at + size <= this.bytes.length)) {
      throw invalidElf(this.#what, `a table is cut off at byte ${at} of ${this.bytes.length}`);
    }
  }
}

// More than the longest string table of any Debian package, far less than the memory budget.
const mostBytes = 48 * 1024 * 1024;

/** Reads pieces of a file; the first piece is kept, so that what lies in it costs nothing more. */
export class ElfSource {
  readonly content: Content;
  /** The file's name in an error. */
  readonly what: string;
  readonly encoding: Encoding;
  readonly #head: Buffer;

  constructor(content: Content, what: string, encoding: Encoding, head: Buffer) {
    this.content = content;
    this.what = what;
    this.encoding = encoding;
    this.#head = head;
  }

  /**
   * Reads `size` bytes from `offset`.
   *
   * @throws WhittleError `ELF_INVALID` when they are not all inside the file, or more than any sane file needs
   */
  async read(offset: number, size: number, limit = mostBytes): Promise<ElfBytes> {
    if (!(offset >= 0 && size >= 0 && offset + size <= this.content.size)) {
      throw this.invalid(`bytes ${offset} to ${offset + size} are wanted, it has ${this.content.size}`);
    }
    if (size > limit) throw this.invalid(`a table of ${size} bytes, at most ${limit} are read`);
    const end = offset + size;
    const bytes =
      end <= this.#head.length
        ? this.#head.subarray(offset, end)
        : await readContent(this.content, { start: offset, end }, limit);
    return new ElfBytes(bytes, this.encoding, this.what);
  }

  /** Reads up to `size` bytes from `offset`: what the file has of them. */
  async readUpTo(offset: number, size: number): Promise<ElfBytes> {
    return this.read(offset, Math.max(0, Math.min(size, this.content.size - offset)));
  }

  invalid(found: string): WhittleError {
    return invalidElf(this.what, found);
  }
}
