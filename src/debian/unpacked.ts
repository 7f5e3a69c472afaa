import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
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
// One read from the end gets the whole table of most packages.
const firstRead = 64 * 1024;

/** The end of an unpacked package's file: its table and the footer that leads to it. */
export function encodeTable(table: UnpackedTable, at: number): Buffer {
  const json = Buffer.from(JSON.stringify(table), "utf8");
  const digest = createHash("sha256").update(json).digest("hex");
  const footer = `whittle-unpacked 1 ${at} ${json.length} ${digest}`.padEnd(footerSize - 1);
  return Buffer.concat([json, Buffer.from(`${footer}\n`, "latin1")]);
}

/** Reads the table of an unpacked package; nothing when the file is absent, cut short or damaged there. */
export async function readTable(path: string): Promise<UnpackedTable | undefined> {
  const handle = await open(path, "r").catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    return await tableOf(handle);
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

async function tableOf(handle: FileHandle): Promise<UnpackedTable | undefined> {
  const { size } = await handle.stat();
  const tail = await readAt(handle, Math.max(0, size - firstRead), Math.min(size, firstRead));
  const match = footerShape.exec(tail.subarray(-footerSize).toString("latin1"));
  const [start, length] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || start + length + footerSize !== size) return undefined;
  const json =
    length + footerSize <= tail.length
      ? tail.subarray(tail.length - footerSize - length, tail.length - footerSize)
      : await readAt(handle, start, length);
  if (createHash("sha256").update(json).digest("hex") !== match[3]) return undefined;
  return JSON.parse(json.toString("utf8")) as UnpackedTable;
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let at = 0;
  while (at < length) {
    const { bytesRead } = await handle.read(buffer, at, length - at, position + at);
    if (bytesRead === 0) return buffer.subarray(0, at);
    at += bytesRead;
  }
  return buffer;
}
