import { randomBytes } from "node:crypto";
import { type FileHandle, lstat, open, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { makeDirectories } from "./directories.ts";
import { explainSystemError, isSystemError, WhittleError } from "./errors.ts";

export interface AtomicWriteOptions {
  /** Permission bits of the new file, before the umask (default 0644). */
  readonly mode?: number;
  readonly signal?: AbortSignal;
}

/**
 * Writes a file so that its name only ever shows the whole of the old or the whole of the new bytes, whatever
 * happens in between: written under a temporary name in the same directory, fsynced, renamed, and the directory
 * fsynced (rename(2), fsync(2)). Missing directories above are made.
 *
 * @returns the number of bytes written
 * @throws WhittleError `NOT_FOUND` where the name is a directory's or a device's, `DISK_FULL`, `PERMISSION`,
 *   `ENVIRONMENT`; the temporary file is gone then
 */
export async function writeFileAtomically(
  path: string,
  data: Uint8Array | string | AsyncIterable<Uint8Array>,
  options: AtomicWriteOptions = {},
): Promise<number> {
  await requireReplaceable(path);
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const handle = await createExclusively(temporary, options.mode ?? 0o644);
    try {
      const size = await writeAll(handle, data, options.signal);
      await handle.sync();
      await handle.close();
      await rename(temporary, path);
      await syncDirectory(directory);
      return size;
    } catch (error) {
      await handle.close().catch(() => undefined);
      await unlink(temporary).catch(() => undefined);
      throw error;
    }
  } catch (error) {
    // The temporary name would tell nobody anything.
    if (isSystemError(error) && error.path === temporary) error.path = path;
    throw explainSystemError(error, `write ${path}`);
  }
}

/** A file is put in the place of another file only: renaming over /dev/null would take it from everybody. */
async function requireReplaceable(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined || found.isFile() || found.isSymbolicLink()) return;
  const kind = found.isDirectory() ? "a directory" : "a device, pipe or socket";
  throw new WhittleError("NOT_FOUND", `Cannot write ${path}: it is ${kind}, a file is wanted`);
}

/** Makes the names inside a directory durable; file systems that cannot do that are left alone. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r").catch(() => undefined);
  if (handle === undefined) return;
  try {
    await handle.sync().catch(() => undefined);
  } finally {
    await handle.close();
  }
}

async function createExclusively(path: string, mode: number): Promise<FileHandle> {
  try {
    return await open(path, "wx", mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    await makeDirectories(dirname(path));
    return open(path, "wx", mode);
  }
}

async function writeAll(
  handle: FileHandle,
  data: Uint8Array | string | AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<number> {
  signal?.throwIfAborted();
  if (typeof data === "string" || data instanceof Uint8Array) {
    const bytes = typeof data === "string" ? Buffer.from(data, "utf8") : data;
    await handle.writeFile(bytes);
    return bytes.length;
  }
  let size = 0;
  for await (const chunk of data) {
    signal?.throwIfAborted();
    await handle.writeFile(chunk);
    size += chunk.length;
  }
  return size;
}
