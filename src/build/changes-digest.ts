import { createHash } from "node:crypto";
import type { Digest } from "../io/index.ts";
import type { Changes } from "../tree/index.ts";
import { treeDigest } from "./tree-digest.ts";

/**
 * The digest of what changes one tree into another. Times do not count unless asked for: a working copy that was
 * checked out again holds the same files.
 */
export async function changesDigest(
  changes: Changes,
  times: "with times" | "without times",
): Promise<Digest> {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([[...changes.removed].sort(), [...changes.opaque].sort()]));
  hash.update(await treeDigest(changes.added, times));
  return `sha256:${hash.digest("hex")}`;
}
