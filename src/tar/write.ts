import { type Content, OpenFiles, spareBuffers, WhittleError } from "../io/index.ts";
import {
  comparePaths,
  type DirectoryEntry,
  type Entry,
  type FileEntry,
  type Inode,
  type TreePath,
} from "../tree/index.ts";
import { encodeHeader, type MemberDetails } from "./encode.ts";
import { blockSize, padded } from "./header.ts";

export interface WriteTarOptions {
  /** Attributes of the top directory, to be written as `./`; without them the top is left out. */
  readonly top?: DirectoryEntry;
  readonly signal?: AbortSignal;
  /** What headers say beside what entries say. */
  readonly details?: (entry: Entry, path: TreePath, isLink: boolean) => MemberDetails;
}

/** The next bytes of an archive; those of a file's contents may come apart from all others. */
export interface TarPiece {
  readonly bytes: Uint8Array;
  /** Whose contents these are and nothing else. */
  readonly file?: FileEntry;
  /** To be called by a receiver that is done with the bytes, so that others can be written in their place. */
  readonly release?: () => void;
}

// As large as a block of the gzip writer, so that it need not copy.
const bufferSize = 1024 * 1024;
const trailer = 2 * blockSize;

const fileBuffers = spareBuffers(bufferSize, 8);

/**
 * Writes entries as a deterministic archive: PAX, in byte order of the paths' parts, directories with a slash at
 * the end and no name with one at the start, hard links by {@link Inode} (the first path in order is the file).
 * The stream comes in buffers of 1 MiB that are the receiver's to keep.
 *
 * @throws WhittleError `ARCHIVE_CORRUPT` when a content does not have the size it claims
 */
export async function* writeTar(
  entries: Iterable<readonly [TreePath, Entry]>,
  options: WriteTarOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { bytes } of writeTarPieces(entries, Number.POSITIVE_INFINITY, options)) yield bytes;
}

/**
 * Writes the same bytes as {@link writeTar}, and has the contents of long files begin and end a piece. A file's
 * pieces are of 1 MiB, the last may be shorter.
 *
 * @param apart - from how many bytes on a file comes apart
 */
export async function* writeTarPieces(
  entries: Iterable<readonly [TreePath, Entry]>,
  apart: number,
  options: WriteTarOptions = {},
): AsyncGenerator<TarPiece, void, undefined> {
  const out = new Buffers();
  const disk = new OpenFiles();
  const names = new Map<Inode, string>();
  try {
    if (options.top !== undefined) yield* out.add(encodeHeader({ name: "./", entry: options.top }));
    for (const [path, entry] of inByteOrder(entries)) {
      options.signal?.throwIfAborted();
      const name = path.slice(1);
      if (name === "") continue;
      const inode = entry.type === "file" ? entry.inode : undefined;
      const linkTo = inode === undefined ? undefined : names.get(inode);
      if (inode !== undefined && linkTo === undefined) names.set(inode, name);
      const details = options.details?.(entry, path, linkTo !== undefined);
      const link = linkTo === undefined ? {} : { linkTo };
      yield* out.add(encodeHeader({ name, entry, ...link, ...(details === undefined ? {} : { details }) }));
      if (entry.type === "file" && linkTo === undefined) yield* writeBody(entry, path, apart, out, disk);
    }
    yield* out.fill(trailer);
    yield* out.rest();
  } finally {
    disk.close();
  }
}

function inByteOrder(entries: Iterable<readonly [TreePath, Entry]>): readonly (readonly [TreePath, Entry])[] {
  const list = [...entries];
  const inOrder = list.every(([path], index) => {
    const before = list[index - 1];
    return before === undefined || comparePaths(before[0], path) <= 0;
  });
  return inOrder ? list : list.sort(([a], [b]) => comparePaths(a, b));
}

async function* writeBody(
  entry: FileEntry,
  path: TreePath,
  apart: number,
  out: Buffers,
  disk: OpenFiles,
): AsyncGenerator<TarPiece, void, undefined> {
  const { content } = entry;
  if (content.size >= apart) yield* out.beginFile(entry);
  const written = yield* copyContent(content, out, disk);
  if (content.size >= apart) yield* out.endFile();
  if (written !== content.size) {
    throw new WhittleError(
      "ARCHIVE_CORRUPT",
      `Cannot write ${path} into the archive: its content has ${written < content.size ? `${written}` : "more than its"} bytes, ${content.size} are wanted; it changed while it was in use`,
    );
  }
  yield* out.fill(padded(written) - written);
}

/** @returns how many bytes there were; as soon as there are too many it stops */
async function* copyContent(
  content: Content,
  out: Buffers,
  disk: OpenFiles,
): AsyncGenerator<TarPiece, number, undefined> {
  let written = 0;
  if (content.file !== undefined) {
    while (written < content.size) {
      const room = out.room(content.size - written);
      const count = disk.read(content.file, room, written);
      if (count === 0) break;
      written += count;
      yield* out.took(count);
    }
  } else {
    for await (const chunk of content.open()) {
      written += chunk.length;
      if (written > content.size) break;
      yield* out.add(chunk);
    }
  }
  return written;
}

/** Collects what is written into large pieces. */
class Buffers {
  #buffer: Buffer = Buffer.allocUnsafeSlow(bufferSize);
  /** Where in the buffer the present piece begins and ends. */
  #start = 0;
  #end = 0;
  #file: FileEntry | undefined;
  /** How much of the file has no buffer yet. */
  #left = 0;
  /** What the present buffer is a part of, while it holds a file. */
  #whole: Buffer = this.#buffer;
  /** What the buffer was before the file's. */
  #before: { readonly buffer: Buffer; readonly end: number } | undefined;

  /** Ends the present piece; until {@link endFile}, all that comes are the contents of a file. */
  *beginFile(file: FileEntry): Generator<TarPiece, void, undefined> {
    yield* this.rest();
    this.#before = { buffer: this.#buffer, end: this.#end };
    this.#file = file;
    this.#left = file.content.size;
    this.#next();
  }

  *endFile(): Generator<TarPiece, void, undefined> {
    yield* this.rest();
    this.#file = undefined;
    this.#buffer = this.#before?.buffer ?? Buffer.allocUnsafeSlow(bufferSize);
    this.#start = this.#end = this.#before?.end ?? 0;
  }

  /** A part of the present buffer to be written into directly; {@link took} says how much of it was used. */
  room(most: number): Buffer {
    return this.#buffer.subarray(this.#end, Math.min(this.#buffer.length, this.#end + most));
  }

  *took(count: number): Generator<TarPiece, void, undefined> {
    this.#end += count;
    if (this.#end < this.#buffer.length) return;
    yield* this.rest();
    this.#next();
  }

  *add(bytes: Uint8Array): Generator<TarPiece, void, undefined> {
    for (let rest = bytes; rest.length > 0; ) {
      const room = this.room(rest.length);
      room.set(rest.subarray(0, room.length));
      rest = rest.subarray(room.length);
      yield* this.took(room.length);
    }
  }

  *fill(zeros: number): Generator<TarPiece, void, undefined> {
    for (let left = zeros; left > 0; ) {
      const room = this.room(left).fill(0).length;
      left -= room;
      yield* this.took(room);
    }
  }

  /** Hands over what there is; the end of the buffer is still to be used. */
  *rest(): Generator<TarPiece, void, undefined> {
    const bytes = this.#buffer.subarray(this.#start, this.#end);
    this.#start = this.#end;
    if (bytes.length === 0) return;
    const whole = this.#whole;
    yield this.#file === undefined
      ? { bytes }
      : { bytes, file: this.#file, release: () => fileBuffers.giveBack(whole) };
  }

  #next(): void {
    this.#start = this.#end = 0;
    if (this.#file === undefined) {
      this.#buffer = Buffer.allocUnsafeSlow(bufferSize);
      return;
    }
    const size = Math.min(bufferSize, this.#left);
    this.#left -= size;
    this.#whole = size === 0 ? this.#whole : fileBuffers.take();
    this.#buffer = this.#whole.subarray(0, size);
  }
}
