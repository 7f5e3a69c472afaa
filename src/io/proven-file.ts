import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { sha256 } from "./digest.ts";
import { makeDirectories } from "./directories.ts";
import { isSystemError } from "./errors.ts";

/**
 * Reads a text that {@link writeProven} wrote. Read at once: such files are small and mostly in the system's memory, or
 * not there, and the way through the thread pool would cost more than the answer.
 *
 * @param label - what it was written with
 * @returns nothing when there is no such file, or when it is damaged or of another label
 */
export function readProven(path: string, label = ""): string | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return undefined;
  }
  // The bytes are proved, and read as a text only once: these files have up to a megabyte.
  const end = bytes.indexOf("\n");
  const body = bytes.subarray(end + 1);
  const isProved = end >= 0 && bytes.toString("utf8", 0, end) === `${label}${sha256(body)}`;
  return isProved ? body.toString("utf8") : undefined;
}

/**
 * Keeps a text that may be lost, below a first line with its digest. Atomic but not durable: after a power cut the file
 * may be gone or damaged, and is not believed then. Missing directories above are made.
 *
 * @param label - what else the first line says: of what the text is, for instance
 * @throws the system's error; nothing unfinished stays
 */
export async function writeProven(path: string, body: string, label = ""): Promise<void> {
  const unfinished = `${path}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
  const write = (): void => writeFileSync(unfinished, `${label}${sha256(body)}\n${body}`, { flag: "wx" });
  try {
    try {
      write();
    } catch (error) {
      if (!isSystemError(error) || error.code !== "ENOENT") throw error;
      await makeDirectories(dirname(path));
      write();
    }
    renameSync(unfinished, path);
  } catch (error) {
    await unlink(unfinished).catch(() => undefined);
    throw error;
  }
}
