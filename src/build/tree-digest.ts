import { createHash } from "node:crypto";
import { contentDigest, type Digest } from "../io/index.ts";
import type { Entry, Inode, Tree } from "../tree/index.ts";

/**
 * The digest of everything in a tree that ends in a layer: paths, types, attributes, link targets and contents;
 * origins do not count. Contents whose digest is not known are read.
 */
export async function treeDigest(tree: Tree): Promise<Digest> {
  const hash = createHash("sha256");
  const inodes = new Map<Inode, number>();
  for (const [path, entry] of tree.entries()) {
    hash.update(`${JSON.stringify([path, entry.type, entry.mode, entry.uid, entry.gid, entry.mtime])}\n`);
    for (const [name, value] of [...(entry.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
      hash.update(`x ${JSON.stringify(name)} ${Buffer.from(value).toString("hex")}\n`);
    }
    hash.update(await ownPart(entry, inodes));
  }
  return `sha256:${hash.digest("hex")}`;
}

async function ownPart(entry: Entry, inodes: Map<Inode, number>): Promise<string> {
  switch (entry.type) {
    case "file": {
      const known = entry.inode === undefined ? undefined : inodes.get(entry.inode);
      if (known !== undefined) return `link ${known}\n`;
      if (entry.inode !== undefined) inodes.set(entry.inode, inodes.size);
      return `${entry.content.size} ${await contentDigest(entry.content)}\n`;
    }
    case "symlink":
      return `${JSON.stringify(entry.target)}\n`;
    case "character":
    case "block":
      return `${entry.major} ${entry.minor}\n`;
    default:
      return "\n";
  }
}
