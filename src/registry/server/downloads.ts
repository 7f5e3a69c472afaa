import { createHash, type Hash } from "node:crypto";
import type { Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { type ByteRange, type Digest, digestAlgorithm, digestHex, WhittleError } from "../../io/index.ts";
import type { BlobFile } from "../../store/index.ts";

// What all downloads together hold in memory: few have large buffers, thousands small ones.
const memory = 64 * 1024 * 1024;
const largest = 512 * 1024;
const smallest = 16 * 1024;
const mostProved = 100_000;

/**
 * Sends blobs. The first time that a file is sent whole its bytes are held against its digest, and the last of them is
 * kept back until that is known: a client never gets to the end of a damaged blob. After that the file is known.
 */
export class Downloads {
  #active = 0;
  readonly #proved = new Map<Digest, string>();

  /** Sends a blob, or a range of it, as the body of an answer whose head is written. */
  async send(file: BlobFile, range: ByteRange | undefined, response: ServerResponse): Promise<void> {
    this.#active += 1;
    const handle = await open(file.path, "r");
    try {
      const stamp = stampOf(await handle.stat());
      const proves = range === undefined && this.#proved.get(file.digest) !== stamp;
      const hash = proves ? createHash(digestAlgorithm(file.digest)) : undefined;
      const { start, end } = range ?? { start: 0, end: file.size };
      await this.#pump(handle, file, { start, end }, hash, response);
      if (proves) this.#remember(file.digest, stamp);
      await new Promise<void>((resolve) => response.end(resolve));
    } finally {
      this.#active -= 1;
      await handle.close();
    }
  }

  /** The bytes of a blob were proved as they came in. */
  async remember(file: BlobFile | undefined): Promise<void> {
    const found = file === undefined ? undefined : await stat(file.path).catch(() => undefined);
    if (file !== undefined && found !== undefined) this.#remember(file.digest, stampOf(found));
  }

  async #pump(
    handle: FileHandle,
    file: BlobFile,
    { start, end }: ByteRange,
    hash: Hash | undefined,
    response: ServerResponse,
  ): Promise<void> {
    const size = Math.min(this.#bufferSize(), Math.max(end - start, 1));
    // While one is being sent the other is filled.
    const buffers = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)] as const;
    let sent: Promise<void> = Promise.resolve();
    let at = start;
    for (let turn = 0; at < end; turn++) {
      const buffer = buffers[turn % 2 === 0 ? 0 : 1];
      const { bytesRead } = await handle.read(buffer, 0, Math.min(size, end - at), at);
      if (bytesRead === 0) throw damaged(file, `it ends at byte ${at}`);
      at += bytesRead;
      const chunk = buffer.subarray(0, bytesRead);
      hash?.update(chunk);
      if (at >= end && hash !== undefined) check(file, hash);
      await sent;
      sent = write(response, chunk);
      // Looked at in the next turn; a connection that breaks meanwhile must not end the process.
      sent.catch(() => undefined);
    }
    await sent;
  }

  #bufferSize(): number {
    return Math.max(smallest, Math.min(largest, Math.floor(memory / 2 / this.#active)));
  }

  #remember(digest: Digest, stamp: string): void {
    if (this.#proved.size >= mostProved) this.#proved.clear();
    this.#proved.set(digest, stamp);
  }
}

/** Another file under the same name, or another content, is to be proved again. */
function stampOf({ ino, mtimeMs, size }: Stats): string {
  return `${ino} ${mtimeMs} ${size}`;
}

function check(file: BlobFile, hash: Hash): void {
  const found = hash.digest("hex");
  if (found !== digestHex(file.digest)) throw damaged(file, `it has the digest ${found}`);
}

function damaged({ path, digest }: BlobFile, found: string): WhittleError {
  return new WhittleError("DIGEST_MISMATCH", `Cannot send ${digest}: ${path} is damaged, ${found}`, {
    hint: "whittle store verify --repair removes it; push or build it again",
  });
}

/** Waits until the bytes have left the buffer, or the client has. */
function write(response: ServerResponse, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(new Error("the client went away"));
    if (response.destroyed) {
      gone();
      return;
    }
    response.once("close", gone);
    response.write(chunk, (error) => {
      response.off("close", gone);
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}
