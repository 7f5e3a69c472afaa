import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Descriptor, Index } from "../image/index.ts";
import { explainSystemError, stampText, WhittleError, withLock } from "../io/index.ts";
import type { BlobDirectory } from "./blobs.ts";
import { layoutIndexText, readLayoutIndex, replaceFile } from "./layout.ts";

// It is read whole for everything, and takes some forty times its size in memory while it changes. Other tools may have
// written more.
const mostWritten = 6 * 1024 * 1024;

/** The `index.json` of a store: read when it is another one than before, changed by one process at a time. */
export class IndexFile {
  readonly #directory: string;
  readonly #blobs: BlobDirectory;
  #read: { readonly stamp: string; readonly index: Index } | undefined;

  constructor(directory: string, blobs: BlobDirectory) {
    this.#directory = directory;
    this.#blobs = blobs;
  }

  /** The index as it is on disk now. */
  async now(): Promise<Index> {
    const path = join(this.#directory, "index.json");
    const found = await stat(path, { bigint: true }).catch(() => undefined);
    const stamp = found === undefined ? "" : stampText(found);
    if (found === undefined || this.#read?.stamp !== stamp) {
      this.#read = { stamp, index: await readLayoutIndex(this.#directory) };
    }
    return this.#read.index;
  }

  /**
   * Replaces the entries by what `change` makes of them; blobs are durable before a name of them is.
   *
   * @throws WhittleError `STORE_FULL` when they would be more than can be read with ease
   */
  async change(change: (index: Index) => Promise<Descriptor[]>): Promise<void> {
    await this.locked(async () => {
      const path = join(this.#directory, "index.json");
      const text = layoutIndexText(await change(await this.now()));
      if (text.length > mostWritten && text.length > (await stat(path)).size) {
        throw new WhittleError(
          "STORE_FULL",
          `Cannot name another image in ${this.#directory}: its index.json would have ${text.length} bytes, ${mostWritten} are enough for tens of thousands`,
          { hint: "take names away that are of no use any more: whittle rmi" },
        );
      }
      await this.#blobs.sync();
      await replaceFile(path, text, join(this.#directory, "tmp"));
    });
  }

  /** Does something while nobody else changes the store. */
  async locked<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const doing = `change the store ${this.#directory}`;
    try {
      const path = join(this.#directory, "lock");
      return await withLock(path, work, { doing, ...(signal === undefined ? {} : { signal }) });
    } catch (error) {
      throw explainSystemError(error, doing);
    }
  }
}
