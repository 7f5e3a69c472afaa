import { closeSync, openSync, readSync } from "node:fs";
import type { Content } from "./content.ts";
import { explainSystemError } from "./errors.ts";

// Package archives that a tree is put together from take turns; a few of them stay open.
const mostOpen = 16;

/**
 * Reads files of the host and keeps a few of them open between reads: contents that follow each other are mostly
 * slices of a few archives, and opening one for each slice would cost more than reading it. Reads are at once: the
 * bytes mostly are in the system's memory, from where the way through the thread pool is longer than they are.
 */
export class OpenFiles {
  readonly #descriptors = new Map<string, number>();

  /**
   * Reads at a position into a buffer, at most its length.
   *
   * @returns the number of bytes read, 0 at the end of the file
   */
  read(file: NonNullable<Content["file"]>, into: Buffer, position: number): number {
    try {
      const descriptor = this.#descriptors.get(file.path) ?? this.#open(file.path);
      return readSync(descriptor, into, 0, into.length, file.offset + position);
    } catch (error) {
      throw explainSystemError(error, `read ${file.path}`);
    }
  }

  close(): void {
    for (const descriptor of this.#descriptors.values()) closeSync(descriptor);
    this.#descriptors.clear();
  }

  #open(path: string): number {
    const [oldest] = this.#descriptors;
    if (oldest !== undefined && this.#descriptors.size >= mostOpen) {
      this.#descriptors.delete(oldest[0]);
      closeSync(oldest[1]);
    }
    const descriptor = openSync(path, "r");
    this.#descriptors.set(path, descriptor);
    return descriptor;
  }
}
