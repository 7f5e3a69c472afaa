import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { explainSystemError, makeDirectories, WhittleError, withLock } from "../io/index.ts";
import { isLayout, layoutIndexText, layoutMarker, replaceFile } from "./layout.ts";

/** What a store is made of, beside the image layout itself: everything here may vanish but `blobs`. */
const parts = ["blobs", "cache", "tmp", "lock", "leases", "uploads", "index.json", layoutMarker.name];

/**
 * Makes an empty store. The marker file comes last, so that a store that is seen is whole; any number of
 * processes may do this at once.
 *
 * @throws WhittleError `STORE_INVALID` when the directory holds something else, `PERMISSION`, `DISK_FULL`
 */
export async function createStore(directory: string): Promise<void> {
  const doing = `make the store ${directory}`;
  try {
    await makeDirectories(directory);
    const foreign = (await readdir(directory)).find((name) => !parts.some((part) => name.startsWith(part)));
    if (foreign !== undefined) {
      throw new WhittleError(
        "STORE_INVALID",
        `Cannot make a store of ${directory}: it holds ${foreign}, an empty directory is wanted`,
      );
    }
    await withLock(join(directory, "lock"), () => fill(directory), { doing });
  } catch (error) {
    throw explainSystemError(error, doing);
  }
}

async function fill(directory: string): Promise<void> {
  if (await isLayout(directory)) return;
  const temporary = join(directory, "tmp");
  await makeDirectories(join(directory, "blobs", "sha256"));
  await replaceFile(join(directory, "index.json"), layoutIndexText([]), temporary);
  await replaceFile(join(directory, layoutMarker.name), layoutMarker.text, temporary);
}
