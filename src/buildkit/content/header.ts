import { typeFlags } from "../../tar/index.ts";
import type { Attributes, Entry } from "../../tree/index.ts";
import { nameBytes } from "../../tree/index.ts";

/**
 * What BuildKit hashes of an entry before its contents (moby/buildkit, cache/contenthash/tarsum.go): the members of a
 * tar header, each as its name and its value, without the entry's own name and time.
 */
export function entryHeader(entry: Entry): Buffer {
  // Links have one mode on disk, whatever an archive says of them.
  const mode = entry.type === "symlink" ? 0o777 : entry.mode & 0o7777;
  const size = entry.type === "file" ? entry.content.size : 0;
  const parts = [
    text(`namemode${mode}uid${entry.uid}gid${entry.gid}size${size}typeflag${typeFlags[entry.type]}linkname`),
    entry.type === "symlink" ? nameBytes(entry.target) : empty,
    // BuildKit asks whether it is a link in a way that devices are one as well, and leaves their numbers out.
    text("unamegnamedevmajor0devminor0"),
    ...countedXattrs(entry).flatMap(([name, value]) => [text(name), value]),
  ];
  return Buffer.concat(parts);
}

const empty = Buffer.alloc(0);

function text(value: string): Buffer {
  return Buffer.from(value, "utf8");
}

/** Those of the system and of security modules are of one machine, but for capabilities. */
function countedXattrs({ xattrs }: Attributes): [string, Uint8Array][] {
  return [...(xattrs ?? [])]
    .filter(([name]) => name === "security.capability" || !/^(?:security|system|com\.apple)\./.test(name))
    .sort(([a], [b]) => Buffer.compare(text(a), text(b)));
}
