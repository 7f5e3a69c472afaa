import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { TreePath } from "../tree/index.ts";

/** An entry of a package's data archive: a letter for the type, then what that type has. */
export type UnpackedEntry =
  | readonly ["d" | "p", path: TreePath, mode: number, uid: number, gid: number, mtime: number]
  | readonly ["l", path: TreePath, mode: number, uid: number, gid: number, mtime: number, target: string]
  | readonly [
      "f",
      path: TreePath,
      mode: number,
      uid: number,
      gid: number,
      mtime: number,
      size: number,
      offset: number,
      sha256: string,
    ]
  /** Another name of a file that came before. */
  | readonly ["h", path: TreePath, target: TreePath];

/** All that is known of an unpacked package but the bytes of its files. */
export interface UnpackedTable {
  readonly control: string;
  readonly conffiles: readonly TreePath[];
  readonly scripts: Readonly<Record<string, string>>;
  readonly entries: readonly UnpackedEntry[];
  /** Where the `md5sums` file lies: start and length. */
  readonly md5sums: readonly [number, number];
}

// The last bytes of the file: what it is, where the table lies, and the table's digest.
const footerSize = 128;
const footerShape = /^whittle-unpacked 1 (\d+) (\d+) ([0-9a-f]{64}) *\n$/;
// One read from the end gets the whole table of most packages; for some libraries and programs it takes another.
const firstRead = 8 * 1024;

/** The end of an unpacked package's file: its table and the footer that leads to it. */
export function encodeTable(table: UnpackedTable, at: number): Buffer {
  const json = Buffer.from(JSON.stringify(table), "utf8");
  const digest = createHash("sha256").update(json).digest("hex");
  const footer = `whittle-unpacked 1 ${at} ${json.length} ${digest}`.padEnd(footerSize - 1);
  return Buffer.concat([json, Buffer.from(`${footer}\n`, "latin1")]);
}

/**
 * Reads the table of an unpacked package; nothing when the file is absent, cut short or damaged there. These are
 * a few small reads, for which the thread pool would cost more than they do.
 */
export function readTable(path: string): UnpackedTable | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return undefined;
  }
  try {
    return tableOf(file);
  } catch {
    return undefined;
  } finally {
    closeSync(file);
  }
}

function tableOf(file: number): UnpackedTable | undefined {
  const { size } = fstatSync(file);
  const tail = readAt(file, Math.max(0, size - firstRead), Math.min(size, firstRead));
  const match = footerShape.exec(tail.subarray(-footerSize).toString("latin1"));
  const [start, length] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || start + length + footerSize !== size) return undefined;
  const json =
    length + footerSize <= tail.length
      ? tail.subarray(tail.length - footerSize - length, tail.length - footerSize)
      : readAt(file, start, length);
  if (createHash("sha256").update(json).digest("hex") !== match[3]) return undefined;
  return JSON.parse(json.toString("utf8")) as UnpackedTable;
}

function readAt(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; ) {
    const count = readSync(file, buffer, at, length - at, position + at);
    if (count === 0) return buffer.subarray(0, at);
    at += count;
  }
  return buffer;
}
