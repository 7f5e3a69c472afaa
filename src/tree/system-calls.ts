import { constants } from "node:os";
import type { LibraryHandle } from "koffi";
import { compareNames } from "./path.ts";

/** The calls that Node does not offer; none of them follows a link in the last place. Failures are error names. */
export interface SystemCalls {
  /**
   * The extended attributes that may be read, in byte order of their names, without those that the machine's
   * security module made; `undefined` when there are none.
   */
  readXattrs(path: Buffer): ReadonlyMap<string, Uint8Array> | undefined;
  /** Sets an extended attribute; answers with `EPERM`, `ENOTSUP`… or nothing. */
  writeXattr(path: Buffer, name: string, value: Uint8Array): string | undefined;
  /** Makes a device or a named pipe with mode 0600; `device` is the number from {@link deviceNumber}. */
  makeNode(path: Buffer, type: "character" | "block" | "fifo", device: bigint): string | undefined;
}

/** Packs the two numbers of a device as Linux does (makedev(3)). */
export function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (
    ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn)
  );
}

let loaded: Promise<SystemCalls> | undefined;

/** Loads the C library's llistxattr(2), lgetxattr(2), lsetxattr(2) and mknod(2) at first use. */
export function systemCalls(): Promise<SystemCalls> {
  loaded ??= load();
  return loaded;
}

// Linux allows names of 255 bytes, a list of 64 KiB and values of 64 KiB (xattr(7)).
const most = 65536;

// Labels and hashes that belong to the machine's security module, not to the file.
const machineOwn = new Set(["security.selinux", "security.ima", "security.evm"]);

async function load(): Promise<SystemCalls> {
  const { default: koffi } = await import("koffi");
  const library = koffi.load(null);
  const list = library.func("int64 llistxattr(const void *, void *, size_t)");
  const get = library.func("int64 lgetxattr(const void *, const void *, void *, size_t)");
  const set = library.func("int lsetxattr(const void *, const void *, const void *, size_t, int)");
  const makeNode = makeNodeOf(library);
  const buffer = Buffer.alloc(most);
  return {
    readXattrs(path) {
      const file = terminated(path);
      const length = Number(list(file, buffer, most));
      if (length <= 0) return undefined;
      const names = buffer
        .toString("utf8", 0, length - 1)
        .split("\0")
        .sort(compareNames);
      const found = new Map<string, Uint8Array>();
      for (const name of names) {
        if (machineOwn.has(name)) continue;
        const size = Number(get(file, terminated(Buffer.from(name)), buffer, most));
        if (size >= 0) found.set(name, Uint8Array.from(buffer.subarray(0, size)));
      }
      return found.size === 0 ? undefined : found;
    },
    writeXattr(path, name, value) {
      // An empty buffer has no address.
      const bytes = value.length === 0 ? Buffer.alloc(1) : Buffer.from(value);
      if (set(terminated(path), terminated(Buffer.from(name)), bytes, value.length, 0) === 0)
        return undefined;
      return errorName(koffi.errno());
    },
    makeNode(path, type, device) {
      return makeNode(terminated(path), fileTypes[type] | 0o600, device) === 0
        ? undefined
        : errorName(koffi.errno());
    },
  };
}

// inode(7)
const fileTypes = { fifo: 0o010000, character: 0o020000, block: 0o060000 } as const;

/** Before 2.33 glibc has mknod(2) under another name only, with a version that is 0 on 64-bit Linux. */
function makeNodeOf(library: LibraryHandle): (path: Buffer, mode: number, device: bigint) => number {
  try {
    const mknod = library.func("int mknod(const void *, uint32_t, uint64_t)");
    return (path, mode, device) => Number(mknod(path, mode, device));
  } catch {
    const mknod = library.func("int __xmknod(int, const void *, uint32_t, const void *)");
    return (path, mode, device) => Number(mknod(0, path, mode, new BigUint64Array([device])));
  }
}

function errorName(number: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? String(number);
}

function terminated(text: Buffer): Buffer {
  return Buffer.concat([text, Buffer.of(0)]);
}
