import { createHash, type Hash } from "node:crypto";
import { type Content, type Digest, readContent, sha256 } from "../../io/index.ts";
import { type Entry, nameBytes, type TreeNode } from "../../tree/index.ts";
import { entryHeader } from "./header.ts";
import { namesOf } from "./names.ts";

const entries = new WeakMap<Entry, Promise<Digest>>();
const directories = new WeakMap<TreeNode, Promise<Digest>>();

/**
 * What BuildKit knows an entry by without what is in it: its header and, of a file, the contents
 * (moby/buildkit, cache/contenthash/filehash.go). Trees share their entries, so each is read once.
 */
export function entryDigest(entry: Entry): Promise<Digest> {
  return remembered(entries, entry, hashEntry);
}

/** What BuildKit knows a name by with all that is in it. */
export function nodeDigest(node: TreeNode): Promise<Digest> {
  return node.children === undefined
    ? entryDigest(node.entry)
    : remembered(directories, node, async () => hashDirectory(node, await entryDigest(node.entry)));
}

/** The digest of a directory whose header has a digest of its own. */
export async function hashDirectory(node: TreeNode, header: Digest): Promise<Digest> {
  const hash = createHash("sha256").update(`\0${header}`);
  await hashChildren(hash, "", node, () => true);
  return `sha256:${hash.digest("hex")}`;
}

/**
 * BuildKit steps over what is in a directory by looking for its path followed by the byte FF, so that names which
 * begin with that byte are counted again.
 */
async function hashChildren(
  hash: Hash,
  path: string,
  { children }: TreeNode,
  counts: (name: Buffer) => boolean,
): Promise<void> {
  if (children === undefined) return;
  for (const name of namesOf(children)) {
    const bytes = nameBytes(name);
    const child = children.get(name);
    if (child === undefined || !counts(bytes)) continue;
    const at = `${path}\0${name}`;
    hash.update(nameBytes(at));
    hash.update(await nodeDigest(child));
    await hashChildren(hash, at, child, (name) => name[0] === 0xff);
  }
}

// What is small is hashed in one call, which costs a fraction of a hash object's.
const smallSize = 64 * 1024;

async function hashEntry(entry: Entry): Promise<Digest> {
  const header = entryHeader(entry);
  if (entry.type !== "file" || entry.content.size === 0) return sha256(header);
  if (entry.content.size <= smallSize) {
    return sha256(Buffer.concat([header, await readContent(entry.content)]));
  }
  return hashStream(header, entry.content);
}

async function hashStream(header: Buffer, content: Content): Promise<Digest> {
  const hash = createHash("sha256").update(header);
  for await (const chunk of content.open()) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}

function remembered<K extends object>(
  known: WeakMap<K, Promise<Digest>>,
  key: K,
  compute: (key: K) => Promise<Digest>,
): Promise<Digest> {
  let digest = known.get(key);
  if (digest === undefined) {
    digest = compute(key);
    known.set(key, digest);
    digest.catch(() => known.delete(key));
  }
  return digest;
}
