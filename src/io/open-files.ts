import { readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { Content } from "./content.ts";
import { explainSystemError } from "./errors.ts";

// Package archives that a tree is put together from take turns; a few of them stay open.
const mostOpen = 16;

// Below this a trip through the thread pool costs more than the read itself.
const smallRead = 128 * 1024;

/**
 * Reads files of the host and keeps a few of them open between reads: contents that follow each other are mostly
 * slices of a few archives, and opening one for each slice would cost more than reading it.
 */
export class OpenFiles {
  readonly #handles = new Map<string, FileHandle>();

  /**
   * Reads at a position into a buffer, at most its length.
   *
   * @returns the number of bytes read, 0 at the end of the file
   */
  async read(file: NonNullable<Content["file"]>, into: Buffer, position: number): Promise<number> {
    try {
      const handle = this.#handles.get(file.path) ?? (await this.#open(file.path));
      const at = file.offset + position;
      if (into.length <= smallRead) return readSync(handle.fd, into, 0, into.length, at);
      return (await handle.read(into, 0, into.length, at)).bytesRead;
    } catch (error) {
      throw explainSystemError(error, `read ${file.path}`);
    }
  }

  async close(): Promise<void> {
    const handles = [...this.#handles.values()];
    this.#handles.clear();
    await Promise.all(handles.map((handle) => handle.close()));
  }

  async #open(path: string): Promise<FileHandle> {
    const [oldest] = this.#handles;
    if (oldest !== undefined && this.#handles.size >= mostOpen) {
      this.#handles.delete(oldest[0]);
      await oldest[1].close();
    }
    const handle = await open(path, "r");
    this.#handles.set(path, handle);
    return handle;
  }
}
