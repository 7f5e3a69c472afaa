import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { slots } from "../http/index.ts";
import {
  contentDigest,
  explainSystemError,
  fileContent,
  readText,
  WhittleError,
  type Work,
  writeFileAtomically,
} from "../io/index.ts";
import {
  type Entry,
  type FileEntry,
  newInode,
  type Origin,
  type Tree,
  TreeBuilder,
  type TreePath,
} from "../tree/index.ts";
import { packagePath } from "./archive.ts";
import { openDeb, readControl } from "./deb.ts";
import { type Paragraph, parseParagraphs } from "./deb822.ts";
import { heavyWork } from "./heavy-work.ts";
import type { DebianArchitecture, PackageRecord } from "./package.ts";
import { unpackedBytes } from "./unpack-data.ts";
import { readTable, type UnpackedTable } from "./unpacked.ts";

/** A binary package, unpacked in the cache. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: DebianArchitecture;
  readonly record: PackageRecord;
  readonly origin: Origin;
  /** The `control` file as it is, and its fields by lower-case name. */
  readonly controlText: string;
  readonly control: Paragraph;
  readonly conffiles: readonly TreePath[];
  /** Maintainer scripts and `triggers` by name. They are read, never run. */
  readonly scripts: ReadonlyMap<string, string>;
  /** What the package holds, at the paths that it says; every content knows its digest. */
  readonly tree: Tree;
  /** The `md5sums` file; empty where there is none. */
  md5sums(): Promise<string>;
}

// Unpacking is bound by the cores; more at a time only costs memory.
const unpacking = slots(4);
const kilobyte = 1024;

/**
 * Opens a package. The first time, its archive is verified and its data decompressed into the cache; after that
 * one small read is enough.
 *
 * @param path - of the `.deb`, as {@link Archive.fetch} answers
 * @throws WhittleError `ARCHIVE_UNTRUSTED`, `ARCHIVE_CORRUPT`, `ARCHIVE_HOSTILE`, `DISK_FULL`
 */
export async function openPackage(
  path: string,
  record: PackageRecord,
  cacheDirectory: string,
  work: Work,
): Promise<DebianPackage> {
  const before = openUnpacked(record, cacheDirectory);
  if (before !== undefined) return before;
  const unpacked = unpackedPath(record, cacheDirectory);
  await heavyWork("unpack", work.signal, () =>
    unpacking(work.signal, () => unpackInto(unpacked, path, record, cacheDirectory, work)),
  );
  const opened = openUnpacked(record, cacheDirectory);
  if (opened === undefined) {
    throw new WhittleError("INTERNAL", `Internal error: ${unpacked} cannot be read back`);
  }
  return opened;
}

/** A package that was unpacked before; its archive is not needed any more. */
export function openUnpacked(record: PackageRecord, cacheDirectory: string): DebianPackage | undefined {
  const unpacked = unpackedPath(record, cacheDirectory);
  const table = readTable(unpacked);
  return table === undefined ? undefined : new Unpacked(table, unpacked, record);
}

/** Where a package is, or would be, unpacked to. */
export function unpackedPath({ sha256 }: PackageRecord, cacheDirectory: string): string {
  return join(cacheDirectory, "debian", "unpacked", sha256.slice(0, 2), `${sha256}.unpacked`);
}

async function unpackInto(
  unpacked: string,
  path: string,
  record: PackageRecord,
  cacheDirectory: string,
  work: Work,
): Promise<void> {
  const what = `the package ${record.name} ${record.version} (${record.architecture})`;
  const id = `unpack:${record.sha256}`;
  work.progress({
    kind: "start",
    id,
    label: `unpack ${record.name} ${record.version} (${record.architecture})`,
    group: `unpack packages (${record.architecture})`,
  });
  try {
    const { size } = await stat(path).catch((error: unknown) => {
      throw explainSystemError(error, `read ${path}`);
    });
    const content = fileContent(path, size);
    if ((await contentDigest(content)) !== `sha256:${record.sha256}`) {
      if (path === packagePath(cacheDirectory, record)) await rm(path, { force: true });
      throw new WhittleError(
        "ARCHIVE_UNTRUSTED",
        `Cannot unpack ${what}: the SHA256 of ${path} is not ${record.sha256}`,
        { hint: "the file was damaged on disk; run again to download it anew" },
      );
    }
    const { control, data } = await openDeb(content, what);
    const limit = Math.max(256 * kilobyte ** 2, record.installedSize * kilobyte * 4);
    const source = {
      content,
      data,
      control: await readControl(content, control, what, work.signal),
      what,
      limit,
      signal: work.signal,
    };
    await writeFileAtomically(unpacked, unpackedBytes(source), { signal: work.signal });
    work.progress({ kind: "done", id, outcome: "done" });
  } catch (error) {
    work.progress({ kind: "done", id, outcome: work.signal.aborted ? "cancelled" : "failed" });
    throw error;
  }
}

class Unpacked implements DebianPackage {
  readonly record: PackageRecord;
  readonly name: string;
  readonly version: string;
  readonly architecture: DebianArchitecture;
  readonly origin: Origin;
  readonly #table: UnpackedTable;
  readonly #path: string;
  #control: Paragraph | undefined;
  #tree: Tree | undefined;

  constructor(table: UnpackedTable, path: string, record: PackageRecord) {
    this.record = record;
    this.name = record.name;
    this.version = record.version;
    this.architecture = record.architecture;
    this.#table = table;
    this.#path = path;
    this.origin = {
      kind: "package",
      name: record.name,
      version: record.version,
      architecture: record.architecture,
      ...(record.source === undefined ? {} : { source: record.source }),
    };
  }

  get controlText(): string {
    return this.#table.control;
  }

  get control(): Paragraph {
    this.#control ??=
      parseParagraphs(this.#table.control, `the control file of ${this.name}`)[0] ?? new Map();
    return this.#control;
  }

  get conffiles(): readonly TreePath[] {
    return this.#table.conffiles;
  }

  get scripts(): ReadonlyMap<string, string> {
    return new Map(Object.entries(this.#table.scripts));
  }

  get tree(): Tree {
    this.#tree ??= treeOfTable(this.#table, this.#path, this.origin);
    return this.#tree;
  }

  async md5sums(): Promise<string> {
    const [start, length] = this.#table.md5sums;
    return length === 0 ? "" : readText(fileContent(this.#path, length, start));
  }
}

function treeOfTable(table: UnpackedTable, path: string, origin: Origin): Tree {
  const builder = new TreeBuilder();
  for (const row of table.entries) {
    if (row[0] === "h") {
      const target = builder.get(row[2]);
      if (target?.type !== "file") continue;
      const shared: FileEntry = { ...target, inode: target.inode ?? newInode() };
      builder.set(row[2], shared);
      builder.set(row[1], shared);
    } else {
      builder.set(row[1], entryOf(row, path, origin));
    }
  }
  return builder.tree();
}

function entryOf(
  row: Exclude<UnpackedTable["entries"][number], readonly ["h", ...unknown[]]>,
  path: string,
  origin: Origin,
): Entry {
  const [type, , mode, uid, gid, mtime] = row;
  const attributes = { mode, uid, gid, mtime, origin };
  switch (type) {
    case "d":
      return { type: "directory", ...attributes };
    case "p":
      return { type: "fifo", ...attributes };
    case "l":
      return { type: "symlink", ...attributes, target: row[6] };
    case "f":
      return { type: "file", ...attributes, content: fileContent(path, row[6], row[7], `sha256:${row[8]}`) };
  }
}
