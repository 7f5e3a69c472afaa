import { createHash } from "node:crypto";
import { type ByteRange, type Content, decompress, WhittleError } from "../io/index.ts";
import { readTar, type TarMember } from "../tar/index.ts";
import { parentOf, type TreePath, treePath } from "../tree/index.ts";
import type { DebControl } from "./deb.ts";
import { encodeTable, type UnpackedEntry } from "./unpacked.ts";

/** A package's archive as it is unpacked. */
export interface UnpackSource {
  readonly content: Content;
  readonly data: ByteRange;
  readonly control: DebControl;
  /** The package's name for an error. */
  readonly what: string;
  /** The most bytes that the data archive may hold. */
  readonly limit: number;
  readonly signal: AbortSignal;
}

/**
 * The bytes of an unpacked package's file: the data archive as a plain tar, the `md5sums`, the table of both.
 * One pass decompresses, checks every member and takes the digest of every file.
 *
 * @throws WhittleError `ARCHIVE_CORRUPT`; `ARCHIVE_HOSTILE` for members that no Debian package may have
 */
export async function* unpackedBytes(source: UnpackSource): AsyncGenerator<Uint8Array, void, undefined> {
  const { content, data, control, limit, signal } = source;
  const tar = decompress(content.open(data), { limit, signal });
  const chunks: Uint8Array[] = [];
  async function* tee(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of tar) {
      chunks.push(chunk);
      yield chunk;
    }
  }
  let size = 0;
  function* written(): Generator<Uint8Array, void, undefined> {
    for (const chunk of chunks.splice(0)) {
      size += chunk.length;
      yield chunk;
    }
  }
  const members = new Members(source.what);
  for await (const member of readTar(tee())) {
    const hash = createHash("sha256");
    for await (const chunk of member.body) {
      hash.update(chunk);
      yield* written();
    }
    members.add(member, hash.digest("hex"));
    yield* written();
  }
  yield* written();
  const md5sums = Buffer.from(control.files.get("md5sums") ?? "", "utf8");
  yield md5sums;
  yield encodeTable(
    {
      control: control.text,
      conffiles: conffilesOf(control),
      scripts: scriptsOf(control),
      entries: members.entries,
      md5sums: [size, md5sums.length],
    },
    size + md5sums.length,
  );
}

/** Collects members and refuses what cannot be part of a Debian package. */
class Members {
  readonly entries: UnpackedEntry[] = [];
  readonly #types = new Map<TreePath, UnpackedEntry[0]>();
  readonly #what: string;

  constructor(what: string) {
    this.#what = what;
  }

  add(member: TarMember, sha256: string): void {
    if (member.name.startsWith("/")) throw this.#hostile(member, "its name is absolute");
    const path = treePath(member.name);
    const above = this.#types.get(parentOf(path));
    if (above !== undefined && above !== "d") {
      throw this.#hostile(member, "it lies below something that is not a directory");
    }
    const entry = this.#entry(member, path, sha256);
    this.#types.set(path, entry[0]);
    if (path !== "/") this.entries.push(entry);
  }

  #entry(member: TarMember, path: TreePath, sha256: string): UnpackedEntry {
    const { mode, uid, gid, mtime } = member;
    switch (member.type) {
      case "directory":
        return ["d", path, mode, uid, gid, mtime];
      case "fifo":
        return ["p", path, mode, uid, gid, mtime];
      case "symlink":
        return ["l", path, mode, uid, gid, mtime, member.linkName];
      case "hardlink": {
        const target = treePath(member.linkName);
        if (member.linkName.startsWith("/") || this.#types.get(target) !== "f") {
          throw this.#hostile(
            member,
            `it is a hard link to ${JSON.stringify(member.linkName.slice(0, 200))}`,
          );
        }
        return ["h", path, target];
      }
      case "file":
        if (member.sparse !== undefined) throw this.#hostile(member, "it is sparse");
        return ["f", path, mode, uid, gid, mtime, member.size, member.offset, sha256];
      default:
        throw this.#hostile(member, "it is a device");
    }
  }

  #hostile(member: TarMember, found: string): WhittleError {
    const name = JSON.stringify(member.name.slice(0, 200));
    return new WhittleError(
      "ARCHIVE_HOSTILE",
      `Cannot unpack ${this.#what}: the member ${name} is not allowed in a package, ${found}`,
    );
  }
}

function conffilesOf({ files }: DebControl): TreePath[] {
  const lines = (files.get("conffiles") ?? "").split("\n").map((line) => line.trim());
  // deb-conffiles(5): a flag may stand before the path.
  return lines
    .filter((line) => line !== "" && !line.startsWith("remove-on-upgrade "))
    .map((line) => treePath(line));
}

const scriptNames = ["preinst", "postinst", "prerm", "postrm", "triggers"];

function scriptsOf({ files }: DebControl): Record<string, string> {
  return Object.fromEntries(
    scriptNames.flatMap((name) => {
      const text = files.get(name);
      return text === undefined ? [] : [[name, text]];
    }),
  );
}
