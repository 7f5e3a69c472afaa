import { type ByteRange, bytesContent, type Content } from "../io/index.ts";
import { corrupt } from "./failure.ts";
import type { SparsePiece } from "./member.ts";

/**
 * Checks a sparse map against the size of the file and the bytes stored: pieces in order, not overlapping, none
 * past the end. Pieces of no length (they mark the end) are left out.
 */
export function checkSparse(
  pieces: readonly SparsePiece[],
  size: number,
  stored: number,
  at: number,
): readonly SparsePiece[] {
  let end = 0;
  let sum = 0;
  for (const piece of pieces) {
    if (piece.offset < end || piece.offset + piece.length > size)
      throw corrupt("the sparse map is malformed", at);
    end = piece.offset + piece.length;
    sum += piece.length;
  }
  if (sum !== stored) throw corrupt(`the sparse map covers ${sum} bytes and ${stored} are stored`, at);
  return pieces.filter((piece) => piece.length > 0);
}

/** Pairs of offset and length, as text numbers. */
export function sparsePairs(numbers: readonly string[], at: number): SparsePiece[] {
  const pieces: SparsePiece[] = [];
  if (numbers.length % 2 !== 0) throw corrupt("the sparse map is malformed", at);
  for (let i = 0; i < numbers.length; i += 2) {
    pieces.push({ offset: sparseNumber(numbers[i], at), length: sparseNumber(numbers[i + 1], at) });
  }
  return pieces;
}

/** A decimal number of a sparse map. */
export function sparseNumber(text: string | undefined, at: number): number {
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw corrupt("the sparse map is malformed", at);
  return Number(text);
}

const zeros = new Uint8Array(64 * 1024);

function* hole(length: number): Generator<Uint8Array, void, undefined> {
  for (let left = length; left > 0; left -= zeros.length) {
    yield left >= zeros.length ? zeros : zeros.subarray(0, left);
  }
}

/** Fills the holes between the stored pieces of a stream. */
export async function* fillHoles(
  stored: AsyncIterable<Uint8Array>,
  pieces: readonly SparsePiece[],
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = 0;
  let next = 0;
  let inPiece = 0;
  for await (const chunk of stored) {
    let rest = chunk;
    while (rest.length > 0) {
      const piece = pieces[next];
      if (piece === undefined) return;
      if (at < piece.offset) yield* hole(piece.offset - at);
      const part = rest.subarray(0, piece.length - inPiece);
      yield part;
      inPiece += part.length;
      at = piece.offset + inPiece;
      rest = rest.subarray(part.length);
      if (inPiece === piece.length) {
        next++;
        inPiece = 0;
      }
    }
  }
  yield* hole(size - at);
}

/** A sparse file as content: `stored` holds the pieces one after the other. */
export function sparseContent(stored: Content, pieces: readonly SparsePiece[], size: number): Content {
  if (size === 0) return bytesContent(new Uint8Array(0));
  return {
    size,
    async *open(range?: ByteRange) {
      const start = Math.min(range?.start ?? 0, size);
      const end = Math.min(range?.end ?? size, size);
      let at = start;
      let from = 0;
      for (const piece of pieces) {
        const first = Math.max(piece.offset, start);
        const last = Math.min(piece.offset + piece.length, end);
        if (last > first) {
          yield* hole(first - at);
          const begin = from + first - piece.offset;
          yield* stored.open({ start: begin, end: begin + last - first });
          at = last;
        }
        from += piece.length;
      }
      yield* hole(end - at);
    },
  };
}
