import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { explainSystemError, fileContent, WhittleError } from "../io/index.ts";
import { TreeBuilder } from "./builder.ts";
import { type Attributes, type Entry, type Inode, newInode, type Origin } from "./entry.ts";
import { isUtf8Name, nameBytes, nameText } from "./name-bytes.ts";
import { childOf, compareNames, type TreePath } from "./path.ts";
import { type SystemCalls, systemCalls } from "./system-calls.ts";
import type { Tree } from "./tree.ts";

export interface TreeOfDirectoryOptions {
  readonly origin?: Origin;
  /** Answers yes for what is to be left out; a directory that is left out is not looked into. */
  readonly ignore?: (path: TreePath, type: Entry["type"]) => boolean;
  /** Is told of sockets, which are left out. */
  readonly skipped?: (path: TreePath) => void;
  /** Whether extended attributes are read (default: no). */
  readonly xattrs?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * The tree that a directory of the host holds. Links are taken as links, never followed; contents are read when
 * they are opened; times are whole seconds; names for one file become hard links. Sockets are left out, as tar
 * leaves them out.
 *
 * @throws WhittleError `NOT_FOUND`, `PERMISSION` when a part of it cannot be read
 */
export async function treeOfDirectory(path: string, options: TreeOfDirectoryOptions = {}): Promise<Tree> {
  const builder = new TreeBuilder();
  const context: Walk = {
    options,
    builder,
    inodes: new Map(),
    xattrs: options.xattrs === true ? await systemCalls() : undefined,
  };
  const top = stats(path);
  if (!top.isDirectory()) {
    throw new WhittleError("NOT_FOUND", `Cannot read the directory ${path}: it is not a directory`);
  }
  builder.set("/", { ...attributesOf(top, Buffer.from(path), context), type: "directory" });
  const pending: [Buffer, TreePath][] = [[Buffer.from(path), "/"]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    options.signal?.throwIfAborted();
    pending.push(...readDirectory(...next, context));
    await setImmediate();
  }
  return builder.tree();
}

interface Walk {
  readonly options: TreeOfDirectoryOptions;
  readonly builder: TreeBuilder;
  readonly inodes: Map<string, Inode>;
  readonly xattrs: SystemCalls | undefined;
}

const slash = Buffer.from("/");

/** Adds what is in one directory and answers with the directories found there. */
function readDirectory(directory: Buffer, at: TreePath, context: Walk): [Buffer, TreePath][] {
  const found: [Buffer, TreePath][] = [];
  for (const bytes of list(directory)) {
    const path = childOf(at, nameText(bytes));
    const file = Buffer.concat([directory, slash, bytes]);
    const entry = entryOf(file, path, context);
    if (entry === undefined) context.options.skipped?.(path);
    if (entry === undefined || context.options.ignore?.(path, entry.type) === true) continue;
    context.builder.set(path, entry);
    if (entry.type === "directory") found.push([file, path]);
  }
  return found;
}

function list(directory: Buffer): Buffer[] {
  try {
    const names = readdirSync(directory, { encoding: "buffer" });
    // The order of the file system must not show anywhere, not even in which hard link was met first.
    return names.sort((a, b) => compareNames(nameText(a), nameText(b)));
  } catch (error) {
    throw explainSystemError(error, `read the directory ${directory}`);
  }
}

function stats(path: Buffer | string): BigIntStats {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    throw explainSystemError(error, `read ${path}`);
  }
}

function entryOf(file: Buffer, path: TreePath, context: Walk): Entry | undefined {
  const stat = stats(file);
  const attributes = attributesOf(stat, file, context);
  if (stat.isFile()) {
    const name = isUtf8Name(path) ? file.toString("utf8") : file;
    const inode = inodeOf(stat, context);
    return {
      ...attributes,
      type: "file",
      content: fileContent(name, Number(stat.size)),
      ...(inode === undefined ? {} : { inode }),
    };
  }
  if (stat.isDirectory()) return { ...attributes, type: "directory" };
  if (stat.isSymbolicLink()) {
    const target = nameText(readlinkSync(file, { encoding: "buffer" }));
    return { ...attributes, mode: 0o777, type: "symlink", target };
  }
  if (stat.isFIFO()) return { ...attributes, type: "fifo" };
  if (!stat.isCharacterDevice() && !stat.isBlockDevice()) return undefined;
  return { ...attributes, type: stat.isBlockDevice() ? "block" : "character", ...deviceNumbers(stat.rdev) };
}

function inodeOf(stat: BigIntStats, context: Walk): Inode | undefined {
  if (stat.nlink < 2n) return undefined;
  const key = `${stat.dev}:${stat.ino}`;
  const inode = context.inodes.get(key) ?? newInode();
  context.inodes.set(key, inode);
  return inode;
}

function attributesOf(stat: BigIntStats, file: Buffer, context: Walk): Attributes {
  const xattrs = context.xattrs?.readXattrs(file);
  const { origin } = context.options;
  return {
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: wholeSeconds(stat.mtimeNs),
    ...(xattrs === undefined ? {} : { xattrs }),
    ...(origin === undefined ? {} : { origin }),
  };
}

const second = 1_000_000_000n;

function wholeSeconds(nanoseconds: bigint): number {
  const rest = nanoseconds % second;
  return Number((nanoseconds - rest) / second) - (rest < 0n ? 1 : 0);
}

/** The two numbers in a device number, as Linux packs them (makedev(3)). */
function deviceNumbers(device: bigint): { readonly major: number; readonly minor: number } {
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
  };
}

/** The host's path for a path of a tree below a directory, as bytes. */
export function hostPath(directory: string, path: TreePath): Buffer {
  return Buffer.concat([Buffer.from(directory), path === "/" ? Buffer.alloc(0) : nameBytes(path)]);
}
