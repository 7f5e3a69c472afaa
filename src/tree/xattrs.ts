import { constants } from "node:os";
import { compareNames } from "./path.ts";

/** The calls that Node does not offer; none of them follows a link in the last place. */
export interface XattrCalls {
  /**
   * The extended attributes that may be read, in byte order of their names, without those that the machine's
   * security module made; `undefined` when there are none.
   */
  read(path: Buffer): ReadonlyMap<string, Uint8Array> | undefined;
  /** Sets one; answers with the name of the error (`EPERM`, `ENOTSUP`) or nothing. */
  write(path: Buffer, name: string, value: Uint8Array): string | undefined;
}

let loaded: Promise<XattrCalls> | undefined;

/** Loads the C library's llistxattr(2), lgetxattr(2) and lsetxattr(2) at first use. */
export function xattrCalls(): Promise<XattrCalls> {
  loaded ??= load();
  return loaded;
}

// Linux allows names of 255 bytes, a list of 64 KiB and values of 64 KiB (xattr(7)).
const most = 65536;

// Labels and hashes that belong to the machine's security module, not to the file.
const machineOwn = new Set(["security.selinux", "security.ima", "security.evm"]);

async function load(): Promise<XattrCalls> {
  const { default: koffi } = await import("koffi");
  const library = koffi.load(null);
  const list = library.func("int64 llistxattr(const void *, void *, size_t)");
  const get = library.func("int64 lgetxattr(const void *, const void *, void *, size_t)");
  const set = library.func("int lsetxattr(const void *, const void *, const void *, size_t, int)");
  const buffer = Buffer.alloc(most);
  return {
    read(path) {
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
    write(path, name, value) {
      // An empty buffer has no address.
      const bytes = value.length === 0 ? Buffer.alloc(1) : Buffer.from(value);
      if (set(terminated(path), terminated(Buffer.from(name)), bytes, value.length, 0) === 0)
        return undefined;
      const number: number = koffi.errno();
      return Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? String(number);
    },
  };
}

function terminated(text: Buffer): Buffer {
  return Buffer.concat([text, Buffer.of(0)]);
}
