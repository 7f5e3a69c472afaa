import {
  chmodSync,
  closeSync,
  constants,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import { explainSystemError, makeDirectories, OpenFiles, WhittleError } from "../io/index.ts";
import { hostPath } from "./directory.ts";
import type { Entry, FileEntry, Inode } from "./entry.ts";
import { nameBytes } from "./name-bytes.ts";
import type { TreePath } from "./path.ts";
import { deviceNumber, type SystemCalls, systemCalls } from "./system-calls.ts";
import type { Tree } from "./tree.ts";

export interface WriteTreeOptions {
  /** `"keep"`: owners, devices and all xattrs as the tree says (root). `"self"`: everything is the caller's. */
  readonly owner: "keep" | "self";
  readonly signal?: AbortSignal;
}

/** What could not be made: devices, and attributes the file system or the rights of the caller do not allow. */
export interface WrittenTree {
  readonly skipped: readonly TreePath[];
}

/**
 * Makes a tree real below a directory, which is made when missing. What stands in the way of an entry is replaced,
 * except that directories are kept and merged; no link is ever followed: every name is made by this call or seen
 * to be a real directory before anything is put into it.
 *
 * @throws WhittleError `DISK_FULL`, `PERMISSION`, `ENVIRONMENT`; the directory is then half written, so it should
 *   be one that nobody uses yet
 */
export async function writeTree(
  tree: Tree,
  directory: string,
  options: WriteTreeOptions,
): Promise<WrittenTree> {
  const top = resolve(directory);
  const writer = new Writer(top, options, await neededCalls(tree));
  try {
    await makeDirectories(top);
    let count = 0;
    for (const [path, entry] of tree.entries()) {
      options.signal?.throwIfAborted();
      await writer.make(path, entry);
      // Most calls here are quick and synchronous; let others have their turn.
      if (++count % 256 === 0) await setImmediate();
    }
    writer.finishDirectories();
    return { skipped: writer.skipped };
  } catch (error) {
    throw explainSystemError(error, `write ${top}`);
  } finally {
    writer.close();
  }
}

const nodes: ReadonlySet<Entry["type"]> = new Set(["character", "block", "fifo"]);

async function neededCalls(tree: Tree): Promise<SystemCalls | undefined> {
  for (const [, entry] of tree.entries())
    if ((entry.xattrs?.size ?? 0) > 0 || nodes.has(entry.type)) return systemCalls();
  return undefined;
}

const bufferSize = 1024 * 1024;
const mostUnbroken = 8 * bufferSize;
const createNew = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

class Writer {
  readonly skipped: TreePath[] = [];
  readonly #top: string;
  readonly #keep: boolean;
  readonly #calls: SystemCalls | undefined;
  readonly #inodes = new Map<Inode, Buffer>();
  readonly #directories: [TreePath, Buffer, Entry][] = [];
  readonly #files = new OpenFiles();
  readonly #signal: AbortSignal | undefined;
  #unbroken = 0;
  readonly #buffer = Buffer.allocUnsafeSlow(bufferSize);

  constructor(top: string, options: WriteTreeOptions, calls: SystemCalls | undefined) {
    this.#top = top;
    this.#keep = options.owner === "keep";
    this.#signal = options.signal;
    this.#calls = calls;
  }

  async make(path: TreePath, entry: Entry): Promise<void> {
    const file = hostPath(this.#top, path);
    switch (entry.type) {
      case "directory":
        this.#clear(file, true);
        // Its own attributes come when everything is in it: they may forbid writing, and the time would change.
        this.#directories.push([path, file, entry]);
        return;
      case "file":
        if (this.#link(file, entry)) return;
        this.#clear(file, false);
        await this.#fill(file, path, entry);
        break;
      case "symlink":
        this.#clear(file, false);
        symlinkSync(nameBytes(entry.target), file);
        break;
      default:
        this.#clear(file, false);
        if (!this.#node(file, entry)) {
          this.skipped.push(path);
          return;
        }
    }
    this.#attributes(path, file, entry);
  }

  finishDirectories(): void {
    for (const [path, file, entry] of this.#directories.reverse()) this.#attributes(path, file, entry);
  }

  close(): void {
    this.#files.close();
  }

  /** Removes what is in the way; leaves a directory there when one is wanted. */
  #clear(file: Buffer, directory: boolean): void {
    const found = lstatSync(file, { throwIfNoEntry: false });
    if (directory && found?.isDirectory() === true) return;
    if (found !== undefined) rmSync(file, { recursive: true, force: true });
    if (directory) mkdirSync(file, 0o700);
  }

  #link(file: Buffer, entry: FileEntry): boolean {
    if (entry.inode === undefined) return false;
    const first = this.#inodes.get(entry.inode);
    if (first === undefined) {
      this.#inodes.set(entry.inode, file);
      return false;
    }
    this.#clear(file, false);
    linkSync(first, file);
    return true;
  }

  async #fill(file: Buffer, path: TreePath, { content }: FileEntry): Promise<void> {
    const target = openSync(file, createNew, 0o600);
    let written = 0;
    try {
      if (content.file !== undefined) {
        while (written < content.size) {
          const room = this.#buffer.subarray(0, Math.min(bufferSize, content.size - written));
          const count = await this.#files.read(content.file, room, written);
          if (count === 0) break;
          writeAll(target, room.subarray(0, count));
          written += count;
          await this.#breathe(count);
        }
      } else {
        for await (const chunk of content.open()) {
          writeAll(target, chunk);
          written += chunk.length;
          await this.#breathe(chunk.length);
        }
      }
    } finally {
      closeSync(target);
    }
    if (written !== content.size) {
      throw new WhittleError(
        "ARCHIVE_CORRUPT",
        `Cannot write ${path}: its content has ${written} bytes, ${content.size} are wanted; it changed while it was in use`,
      );
    }
  }

  /** Calls that are not waited for keep everybody else waiting, an interrupt too: now and then they get their turn. */
  async #breathe(bytes: number): Promise<void> {
    this.#unbroken += bytes;
    if (this.#unbroken < mostUnbroken) return;
    this.#unbroken = 0;
    await setImmediate();
    this.#signal?.throwIfAborted();
  }

  /** Makes a named pipe, or as root a device; answers whether it could. */
  #node(file: Buffer, entry: Entry): boolean {
    if (entry.type === "fifo") {
      const failure = this.#calls?.makeNode(file, "fifo", 0n);
      if (failure !== undefined)
        throw new WhittleError("ENVIRONMENT", `Cannot make the named pipe ${file}: ${failure}`);
      return true;
    }
    if ((entry.type !== "character" && entry.type !== "block") || !this.#keep) return false;
    return this.#calls?.makeNode(file, entry.type, deviceNumber(entry.major, entry.minor)) === undefined;
  }

  #attributes(path: TreePath, file: Buffer, entry: Entry): void {
    if (this.#keep) lchownSync(file, entry.uid, entry.gid);
    // After the owner, whose change takes away setuid, setgid and capabilities; before a mode that forbids them.
    let refused = false;
    for (const [name, value] of entry.xattrs ?? []) {
      if (this.#calls?.writeXattr(file, name, value) !== undefined) refused = true;
    }
    if (refused) this.skipped.push(path);
    if (entry.type !== "symlink") chmodSync(file, entry.mode);
    // As a date: Node takes a negative number for "now".
    const time = new Date(entry.mtime * 1000);
    lutimesSync(file, time, time);
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}
