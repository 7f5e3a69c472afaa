import type { FileHandle } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const chunkSize = 256 * 1024;
// Files grow by a megabyte at a time; nothing tells when, and they may be another thread's.
const pause = 20;

/** A file that somebody appends to. */
export interface GrowingFile {
  readonly file: FileHandle;
  /** Its size when it is whole; rejected when it is given up. */
  readonly whole: Promise<{ readonly size: number }>;
  readonly signal: AbortSignal;
}

/**
 * Reads a file from its beginning while it grows, as far as there is a reader: what nobody has asked for yet lies in the
 * file and not in memory.
 *
 * @throws Error when the file is whole and shorter than was said, or what `whole` is rejected with
 */
export async function* growing(from: GrowingFile): AsyncGenerator<Uint8Array, void, undefined> {
  const end = endOf(from.whole);
  for (let at = 0; at !== end.size; ) {
    // What is read after the end is known is all there is.
    const isWhole = end.size !== undefined;
    const buffer = Buffer.allocUnsafe(chunkSize);
    const { bytesRead } = await from.file.read(buffer, 0, chunkSize, at);
    at += bytesRead;
    if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
    else if (isWhole) throw new Error(`the file ends at byte ${at} of ${end.size}`);
    else await grownOrWhole(from);
  }
}

/** Waits until a file has more than so many bytes, or is whole; answers whether it is still growing. */
export async function growsBeyond(bytes: number, from: GrowingFile): Promise<boolean> {
  const end = endOf(from.whole);
  while (end.size === undefined) {
    if ((await from.file.stat()).size > bytes) return true;
    await grownOrWhole(from);
  }
  return false;
}

function endOf(whole: GrowingFile["whole"]): { size?: number } {
  const end: { size?: number } = {};
  whole.then(
    ({ size }) => {
      end.size = size;
    },
    // Whoever waits for it hears of that.
    () => undefined,
  );
  return end;
}

async function grownOrWhole({ whole, signal }: GrowingFile): Promise<void> {
  const settled = new AbortController();
  const either = AbortSignal.any([signal, settled.signal]);
  const slept = sleep(pause, undefined, { signal: either }).catch(() => undefined);
  try {
    await Promise.race([whole, slept]);
  } finally {
    settled.abort();
  }
  signal.throwIfAborted();
}
