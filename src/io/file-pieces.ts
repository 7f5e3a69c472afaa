import { read, readSync } from "node:fs";
import { open } from "node:fs/promises";
import { promisify } from "node:util";
import { type ByteRange, tooShort } from "./content.ts";
import { explainSystemError } from "./errors.ts";

/**
 * Takes bytes of an open file before they are read.
 *
 * @param file - the file's number
 * @returns how many it took, at most `length`; nothing when it need not be asked again
 */
export type TakeBytes = (file: number, at: number, length: number) => Promise<number | undefined>;

const pieceSize = 256 * 1024;
// Where most is taken and not read.
const smallSize = 64 * 1024;
// Milliseconds. What the system has in its memory comes in a twentieth of it.
const slow = 2;
// So many pieces that came fast, one after the other, come from the system's memory.
const enough = 8;
const readInThread = promisify(read);

/**
 * Reads a part of a file on the host's disk through one piece of memory: what it gives is good until the next piece is
 * asked for. As long as the system has the file in its memory, pieces are read at once, because the way through the
 * thread pool takes longer; from a disk they are read while others have their turn.
 *
 * @param take - is offered what comes next, before each piece is read
 * @throws WhittleError `ARCHIVE_CORRUPT` when the file ends before the range does
 */
export async function* filePieces(
  path: string,
  { start, end }: ByteRange,
  take?: TakeBytes,
): AsyncGenerator<Uint8Array, void, undefined> {
  const handle = await open(path, "r").catch((error: unknown) => {
    throw explainSystemError(error, `read ${path}`);
  });
  try {
    const piece = Buffer.allocUnsafeSlow(Math.min(pieceSize, Math.max(end - start, 0)));
    let quick = enough;
    let taking = take;
    for (let at = start; at < end; ) {
      const taken = taking === undefined ? undefined : await taking(handle.fd, at, end - at);
      if (taken === undefined) taking = undefined;
      else at += taken;
      const length = Math.min(taken ? smallSize : piece.length, end - at);
      if (length === 0) break;
      const since = performance.now();
      const count =
        quick >= enough
          ? readSync(handle.fd, piece, 0, length, at)
          : (await readInThread(handle.fd, piece, 0, length, at)).bytesRead;
      quick = performance.now() - since < slow ? quick + 1 : 0;
      if (count === 0) throw tooShort(path, at, end);
      at += count;
      yield piece.subarray(0, count);
    }
  } catch (error) {
    throw explainSystemError(error, `read ${path}`);
  } finally {
    await handle.close();
  }
}
