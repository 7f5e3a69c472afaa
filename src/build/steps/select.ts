import { createHash } from "node:crypto";
import { type SourceLocation, WhittleError } from "../../io/index.ts";
import { nameOf, Tree, type TreePath, treeOf } from "../../tree/index.ts";
import { matchesParents } from "../copy/pattern.ts";
import { findExact, findSources, type MissingSource } from "../copy/sources.ts";
import { type Executor, inputOf } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import { treeDigest } from "../tree-digest.ts";
import { type TreeValue, treeOfInput } from "./tree-value.ts";

/** Paths or patterns of a tree that somebody is about to read. */
export type SelectParameters = {
  readonly paths: readonly {
    /** Absolute and clean. */
    readonly path: string;
    /** With `--parents`: what below `path` is wanted. */
    readonly include?: string;
    /** Nothing of the path is a pattern. */
    readonly exact?: boolean;
  }[];
  /** Patterns of `--exclude`. */
  readonly excludes: readonly string[];
};

/** What a selecting step needs that is no part of its key. */
export interface SelectLocal {
  /** Whose files they are, for errors: `the context`. */
  readonly where: string;
  /** Patterns of `--exclude` made into a question. */
  readonly excluded: (patterns: readonly string[]) => (path: string) => boolean;
  readonly at: SourceLocation;
  /** The rule that leaves a path out of the context, as words for a person. */
  readonly hidden?: (path: string) => string | undefined;
}

/**
 * A step that stands for a part of a tree. Its value is the whole tree, its identity that of the part alone,
 * whatever the times: who reads it does so again only when something of the part changed.
 */
export function selectStep(source: Step, parameters: SelectParameters, local: SelectLocal): Step {
  return { kind: "select", parameters: parameters as unknown as Json, inputs: { source }, local };
}

export const selectExecutor: Executor = {
  kind: "select",
  version: 1,
  cached: true,
  async run(step, inputs) {
    const tree = await treeOfInput(inputOf(inputs, "source"));
    const { paths, excludes } = step.parameters as unknown as SelectParameters;
    const local = step.local as SelectLocal;
    const excluded = excludes.length === 0 ? undefined : local.excluded(excludes);
    const hash = createHash("sha256");
    const refuse = (missing: MissingSource): WhittleError => missingError(missing, local);
    for (const { path, include, exact } of paths) {
      const found = exact === true ? findExact(tree, path, refuse) : findSources(tree, path, refuse);
      hash.update(JSON.stringify([path, found.map((source) => nameOf(source.path))]));
      for (const { real } of found) hash.update(await treeDigest(part(tree, real, include, excluded)));
    }
    const value: TreeValue = { tree };
    return { digest: `sha256:${hash.digest("hex")}`, record: null, value };
  },
  load: async (_step, _outcome, inputs): Promise<TreeValue> => ({
    tree: await treeOfInput(inputOf(inputs, "source")),
  }),
};

function part(
  tree: Tree,
  real: TreePath,
  include: string | undefined,
  excluded: ((path: string) => boolean) | undefined,
): Tree {
  const entry = real === "/" ? tree.top.entry : tree.get(real);
  if (entry === undefined) return Tree.empty;
  if (entry.type !== "directory") return treeOf([["/file", { ...entry, mtime: 0 }]]);
  const wanted = (path: string): boolean =>
    excluded?.(path) !== true &&
    (include === undefined || [include, `${include}/**`].some((pattern) => matchesParents(pattern, path)));
  const all = tree.below(real);
  const kept =
    include === undefined && excluded === undefined ? all : all.filter((path) => wanted(path.slice(1)));
  return kept.map((_path, one) => ({ ...one, mtime: 0 }));
}

function missingError({ path, near }: MissingSource, { where, hidden, at }: SelectLocal): WhittleError {
  const shown = path.slice(1);
  const rule = hidden?.(shown);
  const hint = rule === undefined ? near && `did you mean ${near.slice(1)}?` : `${rule} leaves it out`;
  const found = rule === undefined ? `${where} has no such file` : `it is left out of ${where}`;
  return new WhittleError("NOT_FOUND", `Cannot copy ${shown}: ${found}`, {
    at,
    ...(hint === undefined ? {} : { hint }),
  });
}
