import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { Digest } from "./digest.ts";
import { explainSystemError, WhittleError } from "./errors.ts";

/** A half-open range of bytes: `start` is included, `end` is not. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Bytes that are somewhere else until they are read: a slice of a blob, a member of a package, a file on disk,
 * or memory. Opening twice reads the same bytes twice.
 */
export interface Content {
  /** Length in bytes. */
  readonly size: number;
  /** The digest of all bytes, where it is already known without reading. */
  readonly digest?: Digest;
  /** Where the bytes lie on the host's disk, for a reader that wants to open a file once for many slices of it. */
  readonly file?: { readonly path: string; readonly offset: number } | undefined;
  /** Reads the bytes, or a range of them, in chunks. A range past the end is cut to the size. */
  open(range?: ByteRange): AsyncIterable<Uint8Array>;
}

const chunkSize = 256 * 1024;
// What is wanted whole is read whole: a program, a table of it. Pieces would have to be put together again.
const mostAtOnce = 4 * 1024 * 1024;

/** Content of bytes in memory, or of a UTF-8 text. */
export function bytesContent(data: Uint8Array | string, digest?: Digest): Content {
  const bytes = typeof data === "string" ? Buffer.from(data, "utf8") : data;
  return {
    size: bytes.length,
    ...(digest === undefined ? {} : { digest }),
    async *open(range) {
      const part = range === undefined ? bytes : bytes.subarray(range.start, range.end);
      if (part.length > 0) yield part;
    },
  };
}

/** The empty content. */
export const emptyContent: Content = bytesContent(new Uint8Array(0));

/**
 * Content of a file on the host's disk, or of `size` bytes of it from `offset`. The file is opened when read; a
 * file that has since become shorter is an error, never a short read. A path that is not UTF-8 is given as bytes.
 */
export function fileContent(path: string | Buffer, size: number, offset = 0, digest?: Digest): Content {
  return new FileContent(path, size, offset, digest);
}

/** A class, because there are hundreds of thousands of these and closures would take several times the memory. */
class FileContent implements Content {
  readonly size: number;
  readonly #path: string | Buffer;
  readonly #offset: number;
  declare readonly digest?: Digest;

  constructor(path: string | Buffer, size: number, offset: number, digest: Digest | undefined) {
    this.size = size;
    this.#path = path;
    this.#offset = offset;
    if (digest !== undefined) this.digest = digest;
  }

  get file(): NonNullable<Content["file"]> | undefined {
    return typeof this.#path === "string" ? { path: this.#path, offset: this.#offset } : undefined;
  }

  async *open(range?: ByteRange): AsyncGenerator<Uint8Array, void, undefined> {
    const path = this.#path;
    const start = this.#offset + Math.min(range?.start ?? 0, this.size);
    const end = this.#offset + Math.min(range?.end ?? this.size, this.size);
    if (end <= start) return;
    // What comes in one chunk is read at once: the way through the thread pool takes longer than such a read.
    if (end - start <= chunkSize) {
      yield readAtOnce(path, start, end);
      return;
    }
    const handle = await open(path, "r").catch((error: unknown) => {
      throw explainSystemError(error, `read ${path}`);
    });
    const read = (at: number): Promise<Buffer> => {
      const chunk = readChunk(handle, at, Math.min(chunkSize, end - at));
      // A failure is seen when the chunk's turn comes.
      chunk.catch(() => undefined);
      return chunk;
    };
    let next = read(start);
    try {
      for (let at = start; at < end; ) {
        const chunk = await next;
        if (chunk.length === 0) throw tooShort(path, at, end);
        at += chunk.length;
        // While one is looked at the next is being read.
        if (at < end) next = read(at);
        yield chunk;
      }
    } finally {
      await next.catch(() => undefined);
      await handle.close();
    }
  }
}

async function readChunk(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await handle.read(buffer, 0, length, at);
  return buffer.subarray(0, bytesRead);
}

function readAtOnce(path: string | Buffer, start: number, end: number): Buffer {
  const buffer = Buffer.allocUnsafe(end - start);
  let filled = 0;
  try {
    const descriptor = openForNow(path);
    for (let count = -1; count !== 0 && filled < buffer.length; filled += count) {
      count = readSync(descriptor, buffer, filled, buffer.length - filled, start + filled);
    }
  } catch (error) {
    throw explainSystemError(error, `read ${path}`);
  }
  if (filled < buffer.length) throw tooShort(path, start + filled, end);
  return buffer;
}

let openNow: { readonly path: string | Buffer; readonly descriptor: number } | undefined;

/**
 * Opens a file until something else has its turn: who looks into a program reads many small pieces of it, one after
 * the other, and opening and closing takes longer than reading them.
 */
function openForNow(path: string | Buffer): number {
  if (openNow?.path === path) return openNow.descriptor;
  const descriptor = openSync(path, "r");
  const before = openNow;
  openNow = { path, descriptor };
  if (before === undefined) setImmediate(closeNow);
  else closeSync(before.descriptor);
  return descriptor;
}

function closeNow(): void {
  const last = openNow;
  openNow = undefined;
  if (last !== undefined) closeSync(last.descriptor);
}

/** The error for a file that has become shorter than it was. */
export function tooShort(path: string | Buffer, at: number, end: number): WhittleError {
  return new WhittleError(
    "ARCHIVE_CORRUPT",
    `Cannot read ${path}: it ends at byte ${at}, ${end} bytes are wanted; it changed while it was in use`,
  );
}

/**
 * Reads content, or a range of it, into one buffer.
 *
 * @param limit - the most bytes that will be held in memory (default 64 MiB)
 * @throws WhittleError `ARCHIVE_HOSTILE` when there are more
 */
export async function readContent(
  content: Content,
  range?: ByteRange,
  limit = 64 * 1024 * 1024,
): Promise<Buffer> {
  const size = Math.max(0, Math.min(range?.end ?? content.size, content.size) - (range?.start ?? 0));
  if (size > limit) {
    throw new WhittleError(
      "ARCHIVE_HOSTILE",
      `Cannot hold ${size} bytes in memory: the limit here is ${limit} bytes`,
    );
  }
  if (content.file !== undefined && size > 0 && size <= mostAtOnce) {
    const start = content.file.offset + (range?.start ?? 0);
    return readAtOnce(content.file.path, start, start + size);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of content.open(range)) chunks.push(chunk);
  const [first] = chunks;
  if (chunks.length === 1 && first !== undefined) {
    return Buffer.from(first.buffer, first.byteOffset, first.byteLength);
  }
  return Buffer.concat(chunks);
}

/** Reads content as UTF-8 text; see {@link readContent} for the limit. */
export async function readText(content: Content, limit?: number): Promise<string> {
  return (await readContent(content, undefined, limit)).toString("utf8");
}

/** The SHA-256 of content: the known one, else by reading it. */
export async function contentDigest(content: Content): Promise<Digest> {
  if (content.digest !== undefined) return content.digest;
  const hash = createHash("sha256");
  for await (const chunk of content.open()) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}
