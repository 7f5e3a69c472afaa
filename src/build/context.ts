import { createHash } from "node:crypto";
import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import {
  type ByteRange,
  bytesContent,
  type Content,
  type Digest,
  explainSystemError,
  fileContent,
  readContent,
  sha256,
  verified,
  WhittleError,
} from "../io/index.ts";
import {
  compareNames,
  type Entry,
  type Inode,
  newInode,
  type Tree,
  TreeBuilder,
  type TreePath,
} from "../tree/index.ts";
import { DigestCache } from "./digest-cache.ts";

/** A directory of the host from which a build may read, and nothing outside it. */
export interface Context {
  /** Absolute path on the host. */
  readonly directory: string;
  /** Where digests of its files are remembered. */
  readonly cacheDirectory: string;
}

/** What a path of a context names. */
export interface ContextFiles {
  /** A directory's contents at the top, or a single file as `/NAME`. */
  readonly tree: Tree;
  /** Whether the path names a single file. */
  readonly isFile: boolean;
}

/**
 * Reads a file or directory of a context into a tree. Modes and owners are those on disk; contents are lazy and carry
 * their digests. Reading a content to its end proves that it is still what was digested.
 *
 * @param path - relative to the context
 * @param filter - what is left out
 * @throws WhittleError `OUTSIDE_CONTEXT`, `NOT_FOUND`, `PERMISSION`
 */
export async function readContext(
  context: Context,
  path: string,
  signal: AbortSignal,
  filter: ContextFilter = {},
): Promise<ContextFiles> {
  try {
    return await scanned(context, path, signal, filter);
  } catch (error) {
    if (!(error instanceof WhittleError) || error.code !== "PERMISSION") throw error;
    throw new WhittleError("PERMISSION", error.message, {
      cause: error,
      hint: "give this user the right to read it, or leave it out by a line in .dockerignore",
    });
  }
}

async function scanned(
  context: Context,
  path: string,
  signal: AbortSignal,
  filter: ContextFilter,
): Promise<ContextFiles> {
  const top = await within(context, path);
  const cache = await DigestCache.open(context.cacheDirectory, top);
  const scan: Scan = {
    context,
    cache,
    builder: new TreeBuilder(),
    signal,
    filter,
    nowNs: BigInt(Date.now()) * 1_000_000n,
    inodes: new Map(),
    prefix: relative(context.directory, top),
  };
  const stat = stampOf(top);
  const isFile = !stat.isDirectory();
  if (!isFile) await scanDirectory(scan, top, "");
  else scan.builder.set(`/${top.split(sep).at(-1) ?? ""}`, await entryOf(scan, top, "", stat));
  await cache.save();
  return { tree: scan.builder.tree(), isFile };
}

/** What is left out of a context; paths are relative to what is read and have no slash in front. */
export interface ContextFilter {
  readonly ignored?: (path: string) => boolean;
  /** Whether something below a directory that is left out may be wanted: then it is looked into. */
  readonly entered?: (directory: string) => boolean;
  /**
   * What becomes of sockets, pipes and hard links. BuildKit takes an empty file for a socket, a pipe as it is, and
   * keeps names of one file together; otherwise sockets are left out, a pipe is refused, and names count for
   * themselves.
   */
  readonly special?: "as BuildKit";
  /** Gives everything to root. */
  readonly owner?: "root";
}

interface Scan {
  readonly filter: ContextFilter;
  readonly context: Context;
  readonly cache: DigestCache;
  readonly builder: TreeBuilder;
  readonly signal: AbortSignal;
  readonly nowNs: bigint;
  /** Files with several names, by device and number. */
  readonly inodes: Map<string, Inode>;
  /** Where in the context the tree's top is. */
  readonly prefix: string;
}

/** The real place of a context path; a path or link that leads out of the context is refused. */
async function within(context: Context, path: string): Promise<string> {
  const base = await realpath(context.directory).catch((error: unknown) => {
    throw explainSystemError(error, `read the context ${context.directory}`);
  });
  const wanted = resolve(base, path);
  if (wanted !== base && !wanted.startsWith(base + sep)) throw outside(path, context);
  const real = await realpath(wanted).catch((error: unknown) => {
    throw explainSystemError(error, `read ${path} in the context ${context.directory}`);
  });
  if (real !== base && !real.startsWith(base + sep)) throw outside(path, context);
  return real;
}

function outside(path: string, context: Context): WhittleError {
  return new WhittleError(
    "OUTSIDE_CONTEXT",
    `Cannot use ${path}: it leads out of the context ${context.directory}, a path inside it is wanted`,
    { hint: "copy it into the context, or choose a higher directory as the context" },
  );
}

// A context may hold very many files; asking for each in a thread of the pool takes several times as long, and keeps
// what is known of all of them in memory at once.
function stampOf(path: string): BigIntStats {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    throw explainSystemError(error, `read ${path}`);
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort(compareNames);
  } catch (error) {
    throw explainSystemError(error, `read the directory ${directory}`);
  }
}

async function scanDirectory(scan: Scan, directory: string, below: TreePath): Promise<void> {
  scan.signal.throwIfAborted();
  for (const name of namesIn(directory)) {
    const path = join(directory, name);
    const stat = stampOf(path);
    if (stat.isSocket() && scan.filter.special === undefined) continue;
    const at = `${below}/${name}`;
    const ignored = scan.filter.ignored?.(at.slice(1)) === true;
    if (stat.isDirectory()) {
      if (ignored && scan.filter.entered?.(at.slice(1)) !== true) continue;
      // Above something that is wanted a directory is there, with its own attributes.
      const entry = await entryOf(scan, path, at, stat);
      if (!ignored) scan.builder.set(at, entry);
      await scanDirectory(scan, path, at);
      if (ignored && scan.builder.get(at) !== undefined) scan.builder.set(at, entry);
    } else if (!ignored) scan.builder.set(at, await entryOf(scan, path, at, stat));
  }
}

async function entryOf(scan: Scan, path: string, at: string, stat: BigIntStats): Promise<Entry> {
  const attributes = {
    mode: Number(stat.mode & 0o7777n),
    uid: scan.filter.owner === "root" ? 0 : Number(stat.uid),
    gid: scan.filter.owner === "root" ? 0 : Number(stat.gid),
    mtime: Number(stat.mtimeMs) / 1000,
    origin: { kind: "context" as const, path: originOf(scan, at) },
  };
  if (stat.isDirectory()) return { type: "directory", ...attributes };
  if (stat.isSymbolicLink()) return { type: "symlink", target: linkOf(path), ...attributes };
  if (stat.isFile()) {
    const content = await contentOf(scan, path, at, stat);
    return { type: "file", content, ...namesOf(scan, stat), ...attributes };
  }
  if (scan.filter.special === "as BuildKit") {
    if (stat.isSocket()) return { type: "file", content: bytesContent(new Uint8Array()), ...attributes };
    if (stat.isFIFO()) return { type: "fifo", ...attributes };
  }
  throw new WhittleError("OUTSIDE_CONTEXT", `Cannot use ${path}: it is a device or a pipe, a file is wanted`);
}

function originOf({ prefix }: Scan, at: string): string {
  if (prefix === "") return at.slice(1);
  return at === "" ? prefix : `${prefix}${at}`;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    throw explainSystemError(error, `read the link ${path}`);
  }
}

function namesOf(scan: Scan, stat: BigIntStats): { readonly inode?: Inode } {
  if (stat.nlink < 2n || scan.filter.special === undefined) return {};
  const key = `${stat.dev} ${stat.ino}`;
  const inode = scan.inodes.get(key) ?? newInode();
  scan.inodes.set(key, inode);
  return { inode };
}

// Small files are read once and held: opening them a second time costs more than their bytes.
const heldSize = 32 * 1024;

async function contentOf(scan: Scan, path: string, at: string, stat: BigIntStats): Promise<Content> {
  const size = Number(stat.size);
  const known = scan.cache.get(at, stat);
  if (known !== undefined) return provenContent(path, size, known);
  const content = fileContent(path, size);
  if (size <= heldSize) {
    const bytes = await readContent(content);
    const digest = sha256(bytes);
    scan.cache.set(at, stat, digest, scan.nowNs);
    return bytesContent(bytes, digest);
  }
  const hash = createHash("sha256");
  for await (const chunk of content.open()) {
    scan.signal.throwIfAborted();
    hash.update(chunk);
  }
  const digest: Digest = `sha256:${hash.digest("hex")}`;
  scan.cache.set(at, stat, digest, scan.nowNs);
  return provenContent(path, size, digest);
}

function provenContent(path: string, size: number, digest: Digest): Content {
  return new ProvenContent(path, size, digest);
}

/** A class for the sake of memory, as `fileContent` gives one. */
class ProvenContent implements Content {
  readonly size: number;
  readonly digest: Digest;
  readonly #path: string;

  constructor(path: string, size: number, digest: Digest) {
    this.#path = path;
    this.size = size;
    this.digest = digest;
  }

  open(range?: ByteRange): AsyncIterable<Uint8Array> {
    const { size, digest } = this;
    const plain = fileContent(this.#path, size, 0, digest);
    if (range !== undefined) return plain.open(range);
    return verified(plain.open(), {
      what: `${this.#path}, which changed while it was being built`,
      digest,
      size,
    });
  }
}
