import { createHash } from "node:crypto";
import { type Content, contentDigest, type Digest } from "../io/index.ts";
import type { Entry, Inode, Tree } from "../tree/index.ts";

/**
 * The digest of everything in a tree that ends in a layer: paths, types, attributes, link targets and contents;
 * origins do not count, and times only where they are asked for. Contents whose digest is not known are read.
 */
export async function treeDigest(
  tree: Tree,
  times: "with times" | "without times" = "with times",
): Promise<Digest> {
  const hash = createHash("sha256");
  const inodes = new Map<Inode, number>();
  for (const [path, entry] of tree.entries()) {
    const mtime = times === "with times" ? entry.mtime : 0;
    hash.update(`${JSON.stringify([path, entry.type, entry.mode, entry.uid, entry.gid, mtime])}\n`);
    for (const [name, value] of [...(entry.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
      hash.update(`x ${JSON.stringify(name)} ${Buffer.from(value).toString("hex")}\n`);
    }
    const part = ownPart(entry, inodes);
    // Waiting for what is known already would take a turn of the event loop's queue for every file.
    hash.update(typeof part === "string" ? part : await part);
  }
  return `sha256:${hash.digest("hex")}`;
}

const known = new WeakMap<Content, Promise<Digest>>();

/** Bytes are read once, however many trees hold them. */
function digestOf(content: Content): Promise<Digest> {
  if (content.digest !== undefined) return Promise.resolve(content.digest);
  let digest = known.get(content);
  if (digest === undefined) {
    digest = contentDigest(content);
    known.set(content, digest);
    digest.catch(() => known.delete(content));
  }
  return digest;
}

function ownPart(entry: Entry, inodes: Map<Inode, number>): string | Promise<string> {
  switch (entry.type) {
    case "file": {
      const first = entry.inode === undefined ? undefined : inodes.get(entry.inode);
      if (first !== undefined) return `link ${first}\n`;
      if (entry.inode !== undefined) inodes.set(entry.inode, inodes.size);
      const { size, digest } = entry.content;
      return digest === undefined
        ? digestOf(entry.content).then((read) => `${size} ${read}\n`)
        : `${size} ${digest}\n`;
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
