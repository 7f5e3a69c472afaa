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
 * How what patterns choose is listed: by the last parts of paths, as up to BuildKit 0.25, or by paths, as since
 * (moby/buildkit#6238).
 */
export type Listing = "names" | "paths";

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
  { provenance = "kept", listing = "names" }: ChecksumManner = {},
): Promise<Digest> {
  const { followLinks = false } = choice;
  const whole = (at: string): Promise<Digest> => wholeChecksum(tree, at, followLinks, provenance);
  if (!hasPatterns(choice)) return whole(path);
  const { start, included } = includedOf(tree, path, choice);
  const digests: Digest[] = [];
  for (const { path, node, isOutermost } of included) {
    if (node.entry.type === "symlink" && followLinks && isOutermost) digests.push(await whole(path));
    else if (path === "" && provenance === "sent") digests.push(unnamedTop);
    else digests.push(await entryDigest(node.entry));
  }
  const [first, second] = digests;
  if (first !== undefined && second === undefined && lastPart(path) === lastPart(included[0]?.path ?? "")) {
    return first;
  }
  const hash = createHash("sha256");
  for (const [at, { path }] of included.entries()) {
    const key = listing === "names" ? nameKey(path, at) : pathKey(path.slice(start.length));
    hash.update(nameBytes(key)).update(digests[at] ?? "");
  }
  return `sha256:${hash.digest("hex")}`;
}

/** How a checksum is computed. */
export interface ChecksumManner {
  readonly provenance?: Provenance;
  readonly listing?: Listing;
}

/** Whether more is to be done than to look at one path. */
export function hasPatterns({ wildcard, includePatterns = [], excludePatterns = [] }: Choice): boolean {
  return wildcard === true || includePatterns.length + excludePatterns.length > 0;
}

function nameKey(path: string, at: number): string {
  return `${at > 0 ? "\0" : ""}${lastPart(path)}`;
}

/** As records of contents are sorted by. */
function pathKey(path: string): string {
  return path === "" ? "\0" : path.replaceAll("/", "\0");
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
