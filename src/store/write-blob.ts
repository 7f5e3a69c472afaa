import { createHash, randomBytes } from "node:crypto";
import { closeSync, fsync, openSync, renameSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { BlobSink } from "../image/index.ts";
import { type Digest, type Expected, Proof, WriteBehind } from "../io/index.ts";
import { withDirectory } from "./missing.ts";

type AddOptions = NonNullable<Parameters<BlobSink["add"]>[1]>;

/** A blob that is to be written. */
export interface NewBlob extends Required<Pick<AddOptions, "isReadSoon">>, Pick<AddOptions, "growing"> {
  /** Where unfinished blobs lie; made when needed. */
  readonly directory: string;
  readonly expected: Expected;
  /** The name that it gets in the end; none when a blob has it already. */
  readonly name: (digest: Digest) => Promise<string | undefined>;
}

// From here on it is worth while to load what other threads work out digests with.
const inThreadFrom = 32 * 1024 * 1024;

/** Flushes a file to the disk, which takes so long that others have to be let through. */
export const flush = promisify(fsync);

/** Gives a file the name of a blob. */
export function rename(from: string, to: string): Promise<void> {
  return withDirectory(dirname(to), () => renameSync(from, to));
}

/**
 * Writes a blob under a temporary name, proves it, flushes it to the disk and gives it its name. Of one that is not what
 * was expected, or cannot be written, nothing stays.
 *
 * @throws WhittleError `DIGEST_MISMATCH`; system errors
 */
export async function writeBlob(
  stream: AsyncIterable<Uint8Array>,
  { directory, expected, growing, isReadSoon, name }: NewBlob,
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const isLong = (expected.size ?? 0) >= inThreadFrom;
  const proof = isLong ? await Proof.inThread(expected) : Proof.of(expected);
  const hash = expected.digest === undefined ? createHash("sha256") : undefined;
  let size = 0;
  const path = join(directory, `blob-${process.pid}-${randomBytes(6).toString("hex")}`);
  const file = await withDirectory(directory, () => openSync(path, "wx", 0o644));
  const writer = new WriteBehind(file, {
    directly: isReadSoon ? undefined : path,
    seen(bytes) {
      size += bytes.length;
      hash?.update(bytes);
      return proof.take(bytes);
    },
  });
  growing?.(path);
  let isNamed = false;
  try {
    for await (const chunk of stream) await writer.write(chunk);
    await writer.end();
    proof.end();
    const digest: Digest = expected.digest ?? `sha256:${hash?.digest("hex")}`;
    const named = await name(digest);
    if (named !== undefined) {
      await flush(file);
      await rename(path, named);
      isNamed = true;
    }
    return { digest, size };
  } finally {
    // The number of a closed file may be another file's in no time.
    await writer.end().catch(() => undefined);
    closeSync(file);
    if (!isNamed) await unlink(path).catch(() => undefined);
  }
}
