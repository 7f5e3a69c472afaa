import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type ChunkHash,
  type Digest,
  digestAlgorithm,
  digestHex,
  filePieces,
  isSystemError,
  makeDirectories,
  threadHash,
  WriteBehind,
} from "../../io/index.ts";
import type { Store } from "../../store/index.ts";
import { Refused } from "./refused.ts";

/** Whose upload it is: nobody else may go on with it, in no other repository. */
export interface Owner {
  readonly repository: string;
  /** Empty where nobody has to say who they are. */
  readonly user: string;
}

interface Seen {
  readonly hash: ChunkHash;
  bytes: number;
}

interface OpenUpload {
  readonly algorithm: "sha256" | "sha512";
  /** What its first bytes come to, as far as this process has seen them. */
  seen: Seen | undefined;
  /** One request at a time. */
  busy: boolean;
}

/** How much may be under way. */
export interface UploadLimits {
  /** Bytes of one blob. */
  readonly bytes: number;
  /** Uploads that are begun and not ended. */
  readonly sessions: number;
}

// An upload that nobody touches for a day is given up.
const abandonedAfter = 24 * 60 * 60 * 1000;
// Where there are as many as there may be, those that nobody touches make room: else who begins many and goes on with
// none would keep everybody out for a day.
const idleWhenFull = 5 * 60 * 1000;

/**
 * Uploads under way, each a directory with the bytes so far and whose it is; they survive the server. The digest is
 * worked out as bytes come in; after a restart what is there is read again.
 */
export class Uploads {
  readonly #directory: string;
  readonly #store: Store;
  readonly #limits: UploadLimits;
  readonly #open = new Map<string, OpenUpload>();

  constructor(store: Store, limits: UploadLimits) {
    this.#directory = join(store.directory, "uploads");
    this.#store = store;
    this.#limits = limits;
  }

  /** Number of uploads that are begun and not ended. */
  async count(): Promise<number> {
    return (await this.#sessions()).length;
  }

  /** @throws Refused `SIZE_INVALID` when a request announces more bytes than any blob may have */
  mayBegin(announced: number): void {
    if (announced > this.#limits.bytes) throw this.#tooLong();
  }

  /** Begins an upload; the name of its session cannot be guessed. */
  async begin(owner: Owner, algorithm: "sha256" | "sha512" = "sha256"): Promise<string> {
    if ((await this.count()) >= this.#limits.sessions) {
      await this.expire();
      if ((await this.count()) >= this.#limits.sessions) await this.expire(Date.now(), idleWhenFull);
      if ((await this.count()) >= this.#limits.sessions) {
        throw new Refused("TOOMANYREQUESTS", "too many uploads are under way", { "retry-after": "30" });
      }
    }
    const session = randomBytes(16).toString("hex");
    await makeDirectories(this.#directory);
    await mkdir(join(this.#directory, session), { mode: 0o700 });
    try {
      await writeFile(this.#path(session, "owner.json"), JSON.stringify(owner));
      if (algorithm !== "sha256") this.#open.set(session, fresh(algorithm));
      await writeFile(this.#path(session, "data"), "");
      return session;
    } catch (error) {
      await this.#forget(session);
      throw error;
    }
  }

  /** Bytes that are there. */
  async size(session: string, owner: Owner): Promise<number> {
    await this.#check(session, owner);
    return (await stat(this.#path(session, "data"))).size;
  }

  /**
   * Adds bytes to the end.
   *
   * @param at - where the client thinks that the end is; not said, it is where it is
   * @returns the new size
   */
  async append(
    session: string,
    owner: Owner,
    body: AsyncIterable<Uint8Array>,
    at: number | undefined,
  ): Promise<number> {
    return this.#exclusively(session, owner, async (upload) => {
      const size = await this.#size(session);
      if (at !== undefined && at !== size) {
        throw new Refused("RANGE_INVALID", `the upload has ${size} bytes, the chunk begins at ${at}`, {
          range: rangeHeader(size),
        });
      }
      return this.#write(session, upload, body, size);
    });
  }

  /** Ends an upload: what has come in is the blob, or is thrown away. */
  async finish(
    session: string,
    owner: Owner,
    body: AsyncIterable<Uint8Array>,
    digest: Digest,
  ): Promise<void> {
    await this.#exclusively(session, owner, async (upload) => {
      const size = await this.#write(session, upload, body, await this.#size(session));
      const algorithm = digestAlgorithm(digest);
      const isKnown = algorithm === upload.algorithm;
      const { hash } = await this.#seen(session, isKnown ? upload : fresh(algorithm), size);
      const found = hash.digest();
      if (found !== digestHex(digest)) {
        await this.#forget(session);
        throw new Refused("DIGEST_INVALID", `the bytes that came in have the digest ${found}`);
      }
      await this.#store.adopt(this.#path(session, "data"), { digest, size });
    });
    await this.#forget(session);
  }

  async cancel(session: string, owner: Owner): Promise<void> {
    await this.#check(session, owner);
    await this.#forget(session);
  }

  /** Throws away what nobody has touched for a day, or for so many milliseconds. */
  async expire(now = Date.now(), after = abandonedAfter): Promise<void> {
    for (const session of await this.#sessions()) {
      // One that is being begun has no bytes yet.
      const data = await stat(this.#path(session, "data")).catch(() => undefined);
      const found = data ?? (await stat(join(this.#directory, session)).catch(() => undefined));
      if (found !== undefined && found.mtimeMs < now - after && this.#open.get(session)?.busy !== true) {
        await this.#forget(session);
      }
    }
  }

  async #write(
    session: string,
    upload: OpenUpload,
    body: AsyncIterable<Uint8Array>,
    from: number,
  ): Promise<number> {
    try {
      return await this.#take(session, upload, body, from);
    } catch (error) {
      // What a full disk cannot take whole is given back: kept until the client comes again, it would let nobody else
      // write anything.
      if (isDiskFull(error)) {
        upload.seen = undefined;
        await truncate(this.#path(session, "data"), from);
      }
      throw error;
    }
  }

  async #take(
    session: string,
    upload: OpenUpload,
    body: AsyncIterable<Uint8Array>,
    from: number,
  ): Promise<number> {
    const seen = await this.#seen(session, upload, from);
    const path = this.#path(session, "data");
    const file = await open(path, "r+");
    const writer = new WriteBehind(file.fd, {
      ...{ from, directly: path },
      seen(bytes) {
        seen.bytes += bytes.length;
        return seen.hash.update(bytes);
      },
    });
    let size = from;
    try {
      for await (const chunk of body) {
        size += chunk.length;
        if (size > this.#limits.bytes) {
          await this.#forget(session);
          throw this.#tooLong();
        }
        await writer.write(chunk);
      }
    } finally {
      try {
        // What came before a connection broke counts.
        await writer.end();
      } finally {
        // On a full disk more was seen than is there.
        if ((await file.stat()).size !== seen.bytes) upload.seen = undefined;
        await file.close();
      }
    }
    return size;
  }

  /** What so many bytes come to; what this process has not seen of them is read. */
  async #seen(session: string, upload: OpenUpload, size: number): Promise<Seen> {
    upload.seen ??= { hash: await threadHash(upload.algorithm), bytes: 0 };
    const { seen } = upload;
    for await (const piece of filePieces(this.#path(session, "data"), { start: seen.bytes, end: size })) {
      await seen.hash.update(piece);
      seen.bytes += piece.length;
    }
    return seen;
  }

  async #exclusively<T>(session: string, owner: Owner, act: (upload: OpenUpload) => Promise<T>): Promise<T> {
    await this.#check(session, owner);
    const upload = this.#open.get(session) ?? fresh("sha256");
    this.#open.set(session, upload);
    if (upload.busy) {
      // Most often it is the same client's, whose broken connection is not known to be gone yet.
      const wait = { "retry-after": "1" };
      throw new Refused("TOOMANYREQUESTS", "another request is sending to this upload", wait);
    }
    upload.busy = true;
    try {
      return await act(upload);
    } finally {
      upload.busy = false;
    }
  }

  async #check(session: string, owner: Owner): Promise<void> {
    const text = await readFile(this.#path(session, "owner.json"), "utf8").catch(() => undefined);
    // Somebody else's session is as unknown as one that never was, or whose bytes became a blob when the server died.
    const there = text === JSON.stringify(owner) && (await exists(this.#path(session, "data")));
    if (!there) throw new Refused("BLOB_UPLOAD_UNKNOWN", "there is no such upload");
  }

  async #size(session: string): Promise<number> {
    return (await stat(this.#path(session, "data"))).size;
  }

  #tooLong(): Refused {
    return new Refused("SIZE_INVALID", `a blob has at most ${this.#limits.bytes} bytes here`);
  }

  #path(session: string, name: string): string {
    return join(this.#directory, session, name);
  }

  async #sessions(): Promise<string[]> {
    return readdir(this.#directory).catch(() => []);
  }

  async #forget(session: string): Promise<void> {
    this.#open.delete(session);
    await rm(join(this.#directory, session), { recursive: true, force: true });
  }
}

function fresh(algorithm: "sha256" | "sha512"): OpenUpload {
  return { algorithm, seen: undefined, busy: false };
}

/** How far an upload is, as the distribution-spec writes it. */
export function rangeHeader(size: number): string {
  return `0-${Math.max(size - 1, 0)}`;
}

function isDiskFull(error: unknown): boolean {
  return isSystemError(error) && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
