import { posix } from "node:path";
import { type Digest, sha256 } from "../../io/index.ts";
import { compareNames, type Tree } from "../../tree/index.ts";
import { contentChecksum, hasPatterns, type Listing, type Provenance } from "./checksum.ts";
import type { Choice } from "./included.ts";

/** A part of an input that an operation looks at. */
export interface Selection extends Choice {
  readonly path: string;
}

/**
 * The parts that BuildKit's file operations look at, each once (moby/buildkit, solver/llbsolver/ops/file.go): a path
 * below another one is part of that; those with patterns stay as they are.
 */
export function copiedSelections(selections: readonly Selection[]): readonly Selection[] {
  const plain = selections.filter((selection) => !hasPatterns(selection));
  const paths = (follow: boolean): readonly string[] =>
    outermost(plain.filter(({ followLinks = false }) => followLinks === follow).map(({ path }) => path));
  return [
    ...paths(false).map((path): Selection => ({ path })),
    ...paths(true).map((path): Selection => ({ path, followLinks: true })),
    ...selections.filter(hasPatterns),
  ].sort((a, b) => compareNames(a.path, b.path));
}

/** The parts that the mounts of a command show (moby/buildkit, solver/llbsolver/ops/exec.go); none is everything. */
export function mountedSelections(paths: readonly string[]): readonly Selection[] {
  const shown = outermost(paths);
  if (shown.some((path) => path === "" || path === "/")) return [];
  return shown.map((path) => ({ path, followLinks: true }));
}

/**
 * The digests that BuildKit finds records by when it looks at what an operation reads of an input: the names of root
 * records (moby/buildkit, solver/llbsolver/ops/opsutils/contenthash.go and solver/cachekey.go). Several where versions
 * of BuildKit compute them in different ways.
 *
 * @param selections - as {@link copiedSelections} or {@link mountedSelections} gives them; none is everything
 * @throws WhittleError `STEP_FAILED` when nothing is at a path that is no pattern
 */
export async function contentRecords(
  tree: Tree,
  selections: readonly Selection[],
  provenance: Provenance = "kept",
): Promise<readonly Digest[]> {
  const listings: readonly Listing[] = selections.some(hasPatterns) ? ["names", "paths"] : ["names"];
  const records: Digest[] = [];
  for (const listing of listings) {
    const digests: Digest[] = [];
    for (const { path, ...choice } of selections.length === 0 ? [{ path: "" }] : selections) {
      digests.push(await contentChecksum(tree, posix.join("/", path), choice, { provenance, listing }));
    }
    records.push(sha256(`${sha256(digests.join("\0"))}@-1`));
  }
  return [...new Set(records)];
}

/** Paths without those that are below another one, in the order of their bytes. */
function outermost(paths: readonly string[]): readonly string[] {
  const known = [...new Set(paths)];
  if (paths.length <= 1) return known;
  return known
    .filter(
      (path) =>
        !known.some((other) => other !== path && path.startsWith(other.endsWith("/") ? other : `${other}/`)),
    )
    .sort(compareNames);
}
