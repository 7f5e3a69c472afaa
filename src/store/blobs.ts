import { closeSync, existsSync, openSync, statSync } from "node:fs";
import { readdir, unlink, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BlobSink, BlobSource, Descriptor } from "../image/index.ts";
import {
  type Content,
  type Digest,
  digestAlgorithm,
  digestHex,
  explainSystemError,
  fileContent,
  filePieces,
  isDigest,
  syncDirectory,
  verified,
  WhittleError,
} from "../io/index.ts";
import { emptyWhenMissing, isMissing } from "./missing.ts";
import { flush, rename, writeBlob } from "./write-blob.ts";

// A blob that is asked for is in use; half the age below which garbage collection leaves blobs alone.
const refreshAfterMilliseconds = 30 * 60 * 1000;

const algorithms = ["sha256", "sha512"] as const;

/** The file of a blob. */
export interface BlobFile {
  readonly digest: Digest;
  readonly path: string;
  readonly size: number;
}

/** A blob as it lies on disk. */
export interface StoredBlob extends BlobFile {
  /** Milliseconds since the epoch. */
  readonly modified: number;
}

/**
 * The `blobs` directory of an image layout (image-spec, "OCI Image Layout"). A blob is written under a temporary
 * name, fsynced and renamed, so a name in this directory always stands for whole and right bytes.
 */
export class BlobDirectory implements BlobSink, BlobSource {
  readonly #blobs: string;
  readonly #temporary: string;

  /**
   * @param layout - the directory that holds `blobs`
   * @param temporary - where unfinished blobs lie, on the same file system; made when needed
   */
  constructor(layout: string, temporary: string) {
    this.#blobs = join(layout, "blobs");
    this.#temporary = temporary;
  }

  /** Where a blob lies or would lie. */
  path(digest: Digest): string {
    return join(this.#blobs, digestAlgorithm(digest), digestHex(digest));
  }

  async has(digest: Digest): Promise<boolean> {
    const found = await this.#stat(digest);
    if (found === undefined) return false;
    await refresh(this.path(digest), found.mtimeMs);
    return true;
  }

  /** When a blob was written or last asked for, in milliseconds since the epoch. */
  async modified(digest: Digest): Promise<number | undefined> {
    return (await this.#stat(digest))?.mtimeMs;
  }

  /** The file of a blob, if there is one. */
  async file(digest: Digest): Promise<BlobFile | undefined> {
    const found = await this.#stat(digest);
    return found === undefined ? undefined : { digest, path: this.path(digest), size: found.size };
  }

  /** A blob's bytes, whatever it is; reading all of them verifies them. */
  async content(digest: Digest): Promise<Content | undefined> {
    const found = await this.#stat(digest);
    return found === undefined ? undefined : verifiedFile(this.path(digest), digest, found.size);
  }

  /** @throws WhittleError `STORE_INVALID` when it is not there, `DIGEST_MISMATCH` when its size is wrong */
  async blob(descriptor: Descriptor): Promise<Content> {
    const content = await this.content(descriptor.digest);
    if (content === undefined) {
      throw new WhittleError(
        "STORE_INVALID",
        `Cannot read ${descriptor.digest}: ${dirname(this.#blobs)} does not hold that blob`,
        { hint: "the image is incomplete there; pull, copy or build it again" },
      );
    }
    if (content.size !== descriptor.size) {
      throw new WhittleError(
        "DIGEST_MISMATCH",
        `Cannot read ${descriptor.digest}: it has ${content.size} bytes, its descriptor says ${descriptor.size}`,
      );
    }
    return content;
  }

  /** Throws as {@link blob}; a range of a file proves nothing in any case. */
  async unproved(descriptor: Descriptor): Promise<Content> {
    const { size, digest } = await this.blob(descriptor);
    const path = this.path(descriptor.digest);
    return {
      size,
      ...(digest === undefined ? {} : { digest }),
      file: { path, offset: 0 },
      open: (range) => filePieces(path, range ?? { start: 0, end: size }),
    };
  }

  async add(
    stream: AsyncIterable<Uint8Array>,
    { growing, isReadSoon = true, ...expected }: NonNullable<Parameters<BlobSink["add"]>[1]> = {},
  ): Promise<{ readonly digest: Digest; readonly size: number }> {
    const { digest } = expected;
    if (digest !== undefined) {
      const there = await this.#stat(digest);
      if (there !== undefined && (expected.size ?? there.size) === there.size) {
        await refresh(this.path(digest), there.mtimeMs);
        return { digest, size: there.size };
      }
    }
    const what = digest === undefined ? "the blob" : `the blob ${digest}`;
    try {
      return await writeBlob(stream, {
        ...{ directory: this.#temporary, expected: { what, ...expected }, growing, isReadSoon },
        // What was expected was looked for before.
        name: async (found) =>
          digest === undefined && (await this.has(found)) ? undefined : this.path(found),
      });
    } catch (error) {
      throw explainSystemError(error, `write a blob to ${this.#blobs}`);
    }
  }

  /** Makes a file a blob by renaming it; its bytes have been proved. */
  async adopt(
    path: string,
    { digest, size }: { readonly digest: Digest; readonly size: number },
  ): Promise<void> {
    try {
      if (statSync(path).size !== size) {
        throw new WhittleError("DIGEST_MISMATCH", `Cannot take ${path} over: it does not have ${size} bytes`);
      }
      const file = openSync(path, "r+");
      await flush(file).finally(() => closeSync(file));
      await rename(path, this.path(digest));
    } catch (error) {
      throw explainSystemError(error, `write a blob to ${this.#blobs}`);
    }
  }

  /** Every blob there is, in order of digests; what is not named like a blob is passed over. */
  async *stored(): AsyncGenerator<StoredBlob, void, undefined> {
    for (const algorithm of algorithms) {
      const names = await readdir(join(this.#blobs, algorithm)).catch(emptyWhenMissing);
      for (const name of names.sort()) {
        const digest = `${algorithm}:${name}`;
        if (!isDigest(digest)) continue;
        const found = await this.#stat(digest);
        if (found === undefined) continue;
        yield { digest, path: this.path(digest), size: found.size, modified: found.mtimeMs };
      }
    }
  }

  /** Deletes a blob; nothing happens when it is gone already. */
  async remove(digest: Digest): Promise<void> {
    await unlink(this.path(digest)).catch((error: unknown) => {
      if (!isMissing(error)) throw explainSystemError(error, `delete ${this.path(digest)}`);
    });
  }

  /** Makes the names of all blobs durable; to be done before anything durable names one. */
  async sync(): Promise<void> {
    for (const algorithm of algorithms) {
      const directory = join(this.#blobs, algorithm);
      if (existsSync(directory)) await syncDirectory(directory);
    }
  }

  async #stat(digest: Digest): Promise<{ readonly size: number; readonly mtimeMs: number } | undefined> {
    const path = this.path(digest);
    try {
      const found = statSync(path, { throwIfNoEntry: false });
      return found?.isFile() === true ? found : undefined;
    } catch (error) {
      throw explainSystemError(error, `read ${path}`);
    }
  }
}

const whenDamaged =
  "it was damaged on disk; whittle store verify --repair removes it, and the next build or pull makes it anew";

/** Content of a file that is named by its digest: read whole, its end is the proof; a range proves nothing. */
function verifiedFile(path: string, digest: Digest, size: number): Content {
  const file = fileContent(path, size, 0, digest);
  return {
    size,
    digest,
    open(range) {
      const whole = range === undefined || (range.start <= 0 && range.end >= size);
      return whole
        ? verified(file.open(), { what: path, digest, size, hint: whenDamaged })
        : file.open(range);
    },
  };
}

async function refresh(path: string, modified: number): Promise<void> {
  const now = Date.now();
  if (now - modified < refreshAfterMilliseconds) return;
  // A store that may only be read is not collected by us either.
  await utimes(path, now / 1000, now / 1000).catch(() => undefined);
}
