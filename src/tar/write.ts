import { type Content, OpenFiles, WhittleError } from "../io/index.ts";
import { comparePaths, type DirectoryEntry, type Entry, type Inode, type TreePath } from "../tree/index.ts";
import { encodeHeader } from "./encode.ts";
import { blockSize, padded } from "./header.ts";

export interface WriteTarOptions {
  /** Attributes of the top directory, to be written as `./`; without them the top is left out. */
  readonly top?: DirectoryEntry;
  readonly signal?: AbortSignal;
}

// As large as a block of the gzip writer, so that it need not copy.
const bufferSize = 1024 * 1024;
const trailer = 2 * blockSize;

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
      yield* out.add(encodeHeader({ name, entry, ...(linkTo === undefined ? {} : { linkTo }) }));
      if (entry.type === "file" && linkTo === undefined) yield* writeBody(entry.content, path, out, disk);
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
  content: Content,
  path: TreePath,
  out: Buffers,
  disk: OpenFiles,
): AsyncGenerator<Uint8Array, void, undefined> {
  let written = 0;
  if (content.file !== undefined) {
    while (written < content.size) {
      const room = out.room(content.size - written);
      const count = await disk.read(content.file, room, written);
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
  if (written !== content.size) {
    throw new WhittleError(
      "ARCHIVE_CORRUPT",
      `Cannot write ${path} into the archive: its content has ${written < content.size ? `${written}` : "more than its"} bytes, ${content.size} are wanted; it changed while it was in use`,
    );
  }
  yield* out.fill(padded(written) - written);
}

/** Collects what is written into large buffers. */
class Buffers {
  #buffer: Buffer = Buffer.allocUnsafeSlow(bufferSize);
  #filled = 0;

  /** A part of the present buffer to be written into directly; {@link took} says how much of it was used. */
  room(most: number): Buffer {
    return this.#buffer.subarray(this.#filled, Math.min(bufferSize, this.#filled + most));
  }

  *took(count: number): Generator<Buffer, void, undefined> {
    this.#filled += count;
    if (this.#filled === bufferSize) {
      yield this.#buffer;
      this.#buffer = Buffer.allocUnsafeSlow(bufferSize);
      this.#filled = 0;
    }
  }

  *add(bytes: Uint8Array): Generator<Buffer, void, undefined> {
    for (let rest = bytes; rest.length > 0; ) {
      const part = rest.subarray(0, bufferSize - this.#filled);
      this.#buffer.set(part, this.#filled);
      rest = rest.subarray(part.length);
      yield* this.took(part.length);
    }
  }

  *fill(zeros: number): Generator<Buffer, void, undefined> {
    for (let left = zeros; left > 0; ) {
      const room = this.room(left).fill(0).length;
      left -= room;
      yield* this.took(room);
    }
  }

  *rest(): Generator<Buffer, void, undefined> {
    if (this.#filled > 0) yield this.#buffer.subarray(0, this.#filled);
  }
}
