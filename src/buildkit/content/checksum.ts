import { createHash } from "node:crypto";
import { posix } from "node:path";
import { type Digest, sha256, WhittleError } from "../../io/index.ts";
import { nameBytes, type Tree } from "../../tree/index.ts";
import { followPath } from "./follow.ts";
import { type Choice, includedOf } from "./included.ts";
import { entryDigest, hashDirectory, nodeDigest } from "./node-digest.ts";

/**
 * How BuildKit came to a tree: `sent` by a client, as a local context is, so that nobody said anything of its top
 * directory; or `kept` as a snapshot, whose top is a directory like others.
 */
export type Provenance = "sent" | "kept";

/**
 * BuildKit's checksum of a part of a tree (moby/buildkit, cache/contenthash, `Checksum`): of names, modes, owners,
 * extended attributes and contents; not of times, and not of which names belong to one file.
 *
 * @param path - absolute; a pattern where the choice says so
 * @throws WhittleError `STEP_FAILED` when nothing is at a path that is no pattern
 */
export async function contentChecksum(
  tree: Tree,
  path: string,
  choice: Choice = {},
  provenance: Provenance = "kept",
): Promise<Digest> {
  const { wildcard, followLinks, includePatterns = [], excludePatterns = [] } = choice;
  const whole = (at: string): Promise<Digest> => wholeChecksum(tree, at, followLinks === true, provenance);
  if (wildcard !== true && includePatterns.length + excludePatterns.length === 0) return whole(path);
  const included = includedOf(tree, path, choice);
  const digests: Digest[] = [];
  for (const { path, node, isOutermost } of included) {
    if (node.entry.type === "symlink" && followLinks === true && isOutermost) digests.push(await whole(path));
    else if (path === "" && provenance === "sent") digests.push(unnamedTop);
    else digests.push(await entryDigest(node.entry));
  }
  const [first, second] = digests;
  if (first !== undefined && second === undefined && lastPart(path) === lastPart(included[0]?.path ?? ""))
    return first;
  const hash = createHash("sha256");
  for (const [at, { path }] of included.entries()) {
    if (at > 0) hash.update("\0");
    hash.update(nameBytes(lastPart(path))).update(digests[at] ?? "");
  }
  return `sha256:${hash.digest("hex")}`;
}

const unnamedTop = sha256("");

async function wholeChecksum(
  tree: Tree,
  path: string,
  follow: boolean,
  provenance: Provenance,
): Promise<Digest> {
  const found = followPath(tree, path, follow ? "follow" : "keep");
  if (found === undefined) {
    throw new WhittleError("STEP_FAILED", `Cannot hash ${path}: it is not there`);
  }
  if (found.path !== "" || provenance === "kept") return nodeDigest(found.node);
  return hashDirectory(found.node, unnamedTop);
}

/** As Go's `path.Base` gives it. */
function lastPart(path: string): string {
  if (path === "") return ".";
  return posix.basename(path) || "/";
}
