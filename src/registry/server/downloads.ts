import type { Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { Sendfile } from "../../http/index.ts";
import {
  type ByteRange,
  type ChunkHash,
  type Digest,
  digestAlgorithm,
  digestHex,
  plainHash,
  threadHash,
  WhittleError,
} from "../../io/index.ts";
import type { BlobFile } from "../../store/index.ts";

// What all downloads together hold in memory: few have large buffers, thousands small ones.
const memory = 64 * 1024 * 1024;
const largest = 512 * 1024;
const smallest = 16 * 1024;
const mostProved = 100_000;
// As much as a connection takes before it says that it has enough: a client that takes nothing is seen by that.
const waitedFor = 64 * 1024;
const mostWaitedFor = memory / 2 / waitedFor;

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
      const hash = proves ? await this.#hashOf(file) : undefined;
      const { start, end } = range ?? { start: 0, end: file.size };
      const way = hash === undefined ? await this.#wayOf(response, end - start) : undefined;
      if (way === undefined) await this.#pump(handle, file, { start, end }, hash, response);
      else await pass(handle, file, { start, end }, way, response);
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
    hash: ChunkHash | undefined,
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
      await hash?.update(chunk);
      if (at >= end && hash !== undefined) check(file, hash);
      await sent;
      sent = write(response, chunk);
      // Looked at in the next turn; a connection that breaks meanwhile must not end the process.
      sent.catch(() => undefined);
    }
    await sent;
  }

  /** Of a long blob the digest is worked out by another thread. */
  #hashOf({ size, digest }: BlobFile): Promise<ChunkHash> | ChunkHash {
    const algorithm = digestAlgorithm(digest);
    return size > largest ? threadHash(algorithm) : plainHash(algorithm);
  }

  /** The kernel's own way to a client; none for what is short, and where there are too many. */
  async #wayOf({ socket }: ServerResponse, bytes: number): Promise<Sendfile | undefined> {
    if (socket === null || bytes <= largest || this.#active > mostWaitedFor) return undefined;
    return Sendfile.open(socket, bytes);
  }

  #bufferSize(): number {
    return Math.max(smallest, Math.min(largest, Math.floor(memory / 2 / this.#active)));
  }

  #remember(digest: Digest, stamp: string): void {
    if (this.#proved.size >= mostProved) this.#proved.clear();
    this.#proved.set(digest, stamp);
  }
}

/**
 * Has the kernel send a blob that needs no proof. Pieces go through the connection in between: the first takes the head
 * along, and each waits for there being room again.
 */
async function pass(
  handle: FileHandle,
  file: BlobFile,
  { start, end }: ByteRange,
  way: Sendfile,
  response: ServerResponse,
): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(waitedFor);
  try {
    for (let at = start; at < end; ) {
      if (at > start) at += await way.send(handle.fd, at, end - at);
      if (at >= end) break;
      const { bytesRead } = await handle.read(buffer, 0, Math.min(waitedFor, end - at), at);
      if (bytesRead === 0) throw damaged(file, `it ends at byte ${at}`);
      at += bytesRead;
      await write(response, buffer.subarray(0, bytesRead));
    }
  } finally {
    way.close();
  }
}

/** Another file under the same name, or another content, is to be proved again. */
function stampOf({ ino, mtimeMs, size }: Stats): string {
  return `${ino} ${mtimeMs} ${size}`;
}

function check(file: BlobFile, hash: ChunkHash): void {
  const found = hash.digest();
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
