import { spareBuffers } from "./spare-buffers.ts";

/** What memory, files and devices are divided into where bytes go straight between them, in bytes. */
export const pageSize = 4096;

// The unit of WebAssembly's memories.
const unit = 64 * 1024;

const aligned = new WeakSet<ArrayBufferLike>();

/** What is used here of WebAssembly's interface, which the types of Node leave to those of browsers. */
declare const WebAssembly: {
  readonly Memory: new (size: {
    readonly initial: number;
    readonly maximum: number;
  }) => {
    readonly buffer: ArrayBuffer;
  };
};

/**
 * Memory that begins at a page, as a file wants it that is written past the system's memory (open(2), `O_DIRECT`). A
 * memory of WebAssembly is the only one of which that is certain; where there is none to be had, it is ordinary memory.
 * What nobody has written to yet takes no room.
 *
 * @param size - in bytes, a multiple of 64 KiB
 */
export function pageMemory(size: number): Buffer {
  try {
    const { buffer } = new WebAssembly.Memory({ initial: size / unit, maximum: size / unit });
    aligned.add(buffer);
    return Buffer.from(buffer);
  } catch {
    // Wants some gigabytes of addresses, which an ordinary limit can forbid (`ulimit -v`).
    return Buffer.allocUnsafeSlow(size);
  }
}

/** Bytes of each of {@link pagePieces}. */
export const pagePieceSize = 1024 * 1024;

// Of a memory of WebAssembly some gigabytes of addresses are its own, so many pieces share one.
const piecesAtOnce = 16;
let rest: Buffer = Buffer.alloc(0);

/** Pieces of such memory, which go round. */
export const pagePieces = spareBuffers(pagePieceSize, piecesAtOnce, () => {
  if (rest.length === 0) rest = pageMemory(piecesAtOnce * pagePieceSize);
  const piece = rest.subarray(0, pagePieceSize);
  rest = rest.subarray(pagePieceSize);
  return piece;
});

/** Whether bytes are whole pages of such memory. */
export function isWholePages(bytes: Uint8Array): boolean {
  return aligned.has(bytes.buffer) && bytes.byteOffset % pageSize === 0 && bytes.length % pageSize === 0;
}
