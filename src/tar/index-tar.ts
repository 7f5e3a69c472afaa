import { setImmediate } from "node:timers/promises";
import {
  type ByteRange,
  type Content,
  emptyContent,
  fileContent,
  OpenFiles,
  readContent,
} from "../io/index.ts";
import { corrupt } from "./failure.ts";
import { padded } from "./header.ts";
import { defaultLimits, type IndexedMember, type TarHeader, type TarLimits } from "./member.ts";
import { sparseContent } from "./sparse.ts";
import { walkTar } from "./walk.ts";

/**
 * Lists the members of an uncompressed archive that can be read anywhere. Only the headers are read, through
 * windows that step over large bodies; contents are slices of the archive.
 *
 * @throws WhittleError `ARCHIVE_CORRUPT`, `ARCHIVE_HOSTILE`; see {@link readTar}
 */
export async function indexTar(
  archive: Content,
  options: { readonly limits?: Partial<TarLimits> } = {},
): Promise<IndexedMember[]> {
  const members: IndexedMember[] = [];
  const walk = walkTar({ ...defaultLimits, ...options.limits });
  const window = new Window(archive);
  let at = 0;
  try {
    let step = walk.next();
    while (step.done !== true) {
      if ("take" in step.value) {
        const { take } = step.value;
        const bytes = window.has(at, take) ? window.bytes(at, take) : await window.move(at, take);
        if (bytes !== undefined && bytes.length < take) throw corrupt("it ends early", archive.size);
        at += take;
        step = walk.next(bytes);
        continue;
      }
      if ("skip" in step.value) {
        at += step.value.skip;
      } else {
        const { member } = step.value;
        at = member.offset + padded(member.stored);
        if (member.offset + member.stored > archive.size) {
          throw corrupt(`it ends inside ${JSON.stringify(member.name)}`, archive.size);
        }
        members.push({ ...member, content: memberContent(archive, member) });
      }
      step = walk.next();
    }
  } finally {
    window.close();
  }
  return members;
}

const windowSize = 128 * 1024;
const movesInARow = 64;

/** The part of an archive that was read last; its bytes are overwritten when it moves. */
class Window {
  readonly #archive: Content;
  readonly #files = new OpenFiles();
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  #moves = 0;

  constructor(archive: Content) {
    this.#archive = archive;
  }

  has(at: number, length: number): boolean {
    return at >= this.#at && at + length <= this.#at + this.#buffer.length;
  }

  bytes(at: number, length: number): Buffer {
    return this.#buffer.subarray(at - this.#at, at - this.#at + length);
  }

  /** Moves to a place; fewer bytes than asked for come at the end of the archive, none after it. */
  async move(at: number, length: number): Promise<Buffer | undefined> {
    const size = Math.max(0, Math.min(this.#archive.size - at, Math.max(length, windowSize)));
    // Reads from the page cache do not wait; others must have their turn all the same.
    if (++this.#moves % movesInARow === 0) await setImmediate();
    this.#at = at;
    this.#buffer = this.#archive.file === undefined ? await this.#copy(at, size) : await this.#read(at, size);
    return this.#buffer.length === 0 ? undefined : this.bytes(at, length);
  }

  close(): void {
    this.#files.close();
  }

  #copy(at: number, size: number): Promise<Buffer> {
    return readContent(this.#archive, { start: at, end: at + size });
  }

  async #read(at: number, size: number): Promise<Buffer> {
    const file = this.#archive.file;
    const buffer = size <= this.#spare.length ? this.#spare.subarray(0, size) : Buffer.allocUnsafeSlow(size);
    let filled = 0;
    while (file !== undefined && filled < size) {
      const count = await this.#files.read(file, buffer.subarray(filled), at + filled);
      if (count === 0) break;
      filled += count;
    }
    return buffer.subarray(0, filled);
  }

  readonly #spare = Buffer.allocUnsafeSlow(windowSize);
}

/** The content of a member of an archive, from where {@link indexTar} or a stored list of members says it lies. */
export function memberContent(
  archive: Content,
  member: Pick<TarHeader, "offset" | "stored" | "size" | "sparse">,
): Content {
  const stored = sliceContent(archive, member.offset, member.stored);
  return member.sparse === undefined ? stored : sparseContent(stored, member.sparse, member.size);
}

/** A part of content as content of its own. */
export function sliceContent(whole: Content, offset: number, size: number): Content {
  if (size === 0) return emptyContent;
  if (whole.file !== undefined) return fileContent(whole.file.path, size, whole.file.offset + offset);
  return {
    size,
    open(range?: ByteRange) {
      const start = offset + Math.min(range?.start ?? 0, size);
      return whole.open({ start, end: Math.max(start, offset + Math.min(range?.end ?? size, size)) });
    },
  };
}
