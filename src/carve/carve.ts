import { WhittleError } from "../io/index.ts";
import type { Origin, Tree, TreePath } from "../tree/index.ts";
import type { Dropped } from "./dropped.ts";
import type { Evidence, Need } from "./need.ts";
import { Reasons } from "./reasons.ts";
import { needsOfRoots, pathsBelow, type Root } from "./roots.ts";
import type { Surface } from "./surface.ts";
import { type MissingNeed, walk } from "./walk.ts";

/** How a carve is done. */
export interface CarveOptions {
  /**
   * Application files that lie over the tree and are all kept; the tree is what may be dropped (packages). The
   * carved tree holds none of them.
   */
  readonly surface?: Surface;
  /**
   * Patterns of paths to keep beside what the roots reach; those behind a `!` name what the others do not keep, though
   * something else may still need it.
   */
  readonly keep?: readonly string[];
  /** Environment of the image's configuration: `PATH`, `LD_LIBRARY_PATH` and the like. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A carved tree and why it holds what it holds. */
export interface Carved {
  /** The kept part of the tree; application files given as a surface are not in it. */
  readonly tree: Tree;
  readonly reasons: Reasons;
  /** Needs that nothing answers, in the order in which they were met. */
  readonly missing: readonly MissingNeed[];
}

/**
 * Keeps what the roots reach along all evidence, the directories above it and the links that lead to it; drops
 * the rest.
 *
 * @throws WhittleError `ROOT_MISSING` when a root is not in the tree
 */
export async function carve(
  tree: Tree,
  roots: readonly Root[],
  evidence: readonly Evidence[],
  options: CarveOptions = {},
): Promise<Carved> {
  const application = options.surface?.tree;
  const whole = application === undefined ? tree : tree.overlay(application);
  const environment = options.environment ?? {};
  const signal = options.signal ?? new AbortController().signal;
  const keep = options.keep ?? [];
  const exceptions = keep.filter((glob) => glob.startsWith("!")).map((glob) => glob.slice(1));
  const except = pathsBelow(whole, exceptions);
  const patterns = keep.filter((glob) => !glob.startsWith("!"));
  const named = [...roots, ...patterns.map((glob): Root => ({ glob, except }))];
  const starts: Need[] = [...needsOfRoots(named, whole, environment), ...needsOfFiles(application)];
  const walked = await walk(starts, evidence, { tree: whole, environment, signal });
  const hidden = (path: TreePath): boolean => (application?.get(path)?.type ?? "directory") !== "directory";
  const kept = tree.filter((path) => walked.kept.has(path) && !hidden(path));
  const origins = new Map<TreePath, Origin>();
  for (const path of walked.kept) {
    const origin = whole.get(path)?.origin;
    if (origin !== undefined) origins.set(path, origin);
  }
  const reasons = new Reasons(walked.reasons, origins, droppedOf(whole, walked.kept));
  return { tree: kept, reasons, missing: walked.missing };
}

/**
 * Refuses a carve that would miss something at run time.
 *
 * @throws WhittleError `NEED_MISSING` naming the first few needs and who has them
 */
export function refuseMissing(missing: readonly MissingNeed[]): void {
  if (missing.length === 0) return;
  const all = [...new Set(missing.map(({ from, path }) => `${path} (for ${from ?? "the recipe"})`))];
  const lines = all.slice(0, 5);
  const more = all.length > lines.length ? ` and ${all.length - lines.length} more` : "";
  throw new WhittleError(
    "NEED_MISSING",
    `Cannot carve the image: ${lines.join(", ")}${more} not found in its tree, each is needed by a kept file`,
    { hint: "add the package that has it to packages:, or the file to files:" },
  );
}

function* needsOfFiles(application: Tree | undefined): Generator<Need, void, undefined> {
  for (const [path] of application?.entries() ?? []) {
    yield { path, how: { kind: "named", by: "file" }, missing: "ignore" };
  }
}

function droppedOf(tree: Tree, kept: ReadonlySet<TreePath>): Map<TreePath, Dropped> {
  const dropped = new Map<TreePath, Dropped>();
  for (const [path, entry] of tree.entries()) {
    if (kept.has(path)) continue;
    const size = entry.type === "file" ? entry.content.size : 0;
    const origin = entry.origin;
    dropped.set(path, { type: entry.type, size, ...(origin === undefined ? {} : { origin }) });
  }
  return dropped;
}
