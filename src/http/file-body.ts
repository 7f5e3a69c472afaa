import { type ByteRange, filePieces, type TakeBytes } from "../io/index.ts";

/**
 * A part of a file as the body of a request. A connection that can sends it without reading it; for any other it is a
 * stream of pieces, each of which is good until the next one is asked for.
 */
export class FileBody implements AsyncIterable<Uint8Array> {
  readonly #path: string;
  readonly #range: ByteRange;
  readonly #sent: (bytes: number) => void;

  /** @param sent - is told how many bytes have gone, whenever some have */
  constructor(path: string, range: ByteRange, sent: (bytes: number) => void) {
    this.#path = path;
    this.#range = range;
    this.#sent = sent;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    return this.pieces();
  }

  /**
   * What is to be written, without what is taken straight from the file.
   *
   * @throws WhittleError `ARCHIVE_CORRUPT` when the file ends before the range does
   */
  async *pieces(take?: TakeBytes): AsyncGenerator<Uint8Array, void, undefined> {
    let bytes = 0;
    const gone = (count: number): void => {
      bytes += count;
      if (count > 0) this.#sent(bytes);
    };
    const taking: TakeBytes = async (file, at, length) => {
      const taken = await take?.(file, at, length);
      gone(taken ?? 0);
      return taken;
    };
    for await (const piece of filePieces(this.#path, this.#range, taking)) {
      yield piece;
      gone(piece.length);
    }
  }
}
