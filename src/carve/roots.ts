import { nearest, WhittleError } from "../io/index.ts";
import { nameOf, parentOf, type Tree, type TreePath, treePath } from "../tree/index.ts";
import { matchPaths } from "./glob.ts";
import type { How, Need } from "./need.ts";

/** Who named a root; a recipe's `roots`, `keep`, `config` and `files`. */
export type NamedBy = Extract<How, { kind: "named" }>["by"];

/** A pattern as shells write them (`*`, `?`, `[…]`, `**`), without the excepted paths; has to match something. */
interface GlobRoot {
  readonly glob: string;
  /** See `pathsBelow`. */
  readonly except?: ReadonlySet<TreePath>;
  readonly by?: NamedBy;
  readonly what?: string;
}

/** What the image must have because the person said so. */
export type Root =
  /** A path; with a directory all that is in it is meant, unless the directory was named by `config`. */
  | { readonly path: string; readonly by?: NamedBy; readonly what?: string }
  | GlobRoot
  /**
   * A command as `execve` gets it: the first word is looked up in `PATH`, any other word that is an absolute
   * path of the tree is kept too.
   */
  | { readonly command: readonly string[]; readonly by?: NamedBy; readonly what?: string };

/** `PATH` of a container whose image sets none, as Docker and podman have it. */
export const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The needs that roots stand for, in the order of the roots.
 *
 * @throws WhittleError `ROOT_MISSING` when nothing is there
 */
export function* needsOfRoots(
  roots: Iterable<Root>,
  tree: Tree,
  environment: Readonly<Record<string, string>>,
): Generator<Need, void, undefined> {
  for (const root of roots) {
    if ("path" in root) yield* needsOfPath(tree, treePath(root.path), how(root, "root"));
    else if ("glob" in root) yield* needsOfGlob(tree, root, how(root, "keep"));
    else yield* needsOfCommand(tree, root.command, environment["PATH"] ?? defaultPath, root);
  }
}

function how(root: Root, by: NamedBy): How {
  return { kind: "named", by: root.by ?? by, ...(root.what === undefined ? {} : { what: root.what }) };
}

function* needsOfPath(
  tree: Tree,
  path: TreePath,
  by: How,
  except: ReadonlySet<TreePath> = noPaths,
): Generator<Need, void, undefined> {
  const found = tree.resolve(path);
  if (found.entry === undefined && !tree.has(path)) throw missingRoot(tree, path);
  if (except.has(path)) return;
  yield named(path, by);
  const whole = by.kind === "named" && by.by !== "config";
  if (!whole || found.entry?.type !== "directory") return;
  for (const [inside] of tree.entries(found.path)) if (!except.has(inside)) yield named(inside, by);
}

function* needsOfGlob(tree: Tree, { glob, except }: GlobRoot, by: How): Generator<Need, void, undefined> {
  const matches = matchPaths(tree, treePath(glob));
  if (matches.length === 0) throw missingRoot(tree, treePath(glob));
  for (const path of matches) yield* needsOfPath(tree, path, by, except);
}

const noPaths: ReadonlySet<TreePath> = new Set();

/** The paths that match patterns, with all that is below them. */
export function pathsBelow(tree: Tree, patterns: readonly string[]): ReadonlySet<TreePath> {
  const paths = new Set<TreePath>();
  for (const path of patterns.flatMap((pattern) => matchPaths(tree, treePath(pattern)))) {
    paths.add(path);
    for (const [inside] of tree.entries(path)) paths.add(inside);
  }
  return paths;
}

function* needsOfCommand(
  tree: Tree,
  command: readonly string[],
  searchPath: string,
  root: Root,
): Generator<Need, void, undefined> {
  const [program, ...words] = command;
  if (program === undefined) return;
  const by: How = { kind: "named", by: root.by ?? "root", what: root.what ?? command.join(" ") };
  const path = program.includes("/") ? treePath(program) : findProgram(tree, program, searchPath);
  if (path === undefined || !tree.has(tree.resolve(path).path))
    throw missingRoot(tree, path ?? `/${program}`);
  yield named(path, by);
  for (const word of words) {
    const value = word.slice(word.startsWith("-") ? word.indexOf("=") + 1 : 0);
    if (/^\/[^\0]*$/.test(value) && !value.includes("..") && value !== "/") {
      yield { path: treePath(value), how: by, missing: "ignore" };
    }
  }
}

function findProgram(tree: Tree, name: string, searchPath: string): TreePath | undefined {
  return searchPath
    .split(":")
    .filter((directory) => directory.startsWith("/"))
    .map((directory) => `${directory}/${name}`)
    .find((path) => {
      const entry = tree.resolve(path).entry;
      return entry?.type === "file" && (entry.mode & 0o111) !== 0;
    });
}

function named(path: TreePath, by: How): Need {
  return { path, how: by, missing: "report" };
}

function missingRoot(tree: Tree, path: TreePath): WhittleError {
  const name = nameOf(path);
  const elsewhere = [...tree.entries()].filter(([at]) => nameOf(at) === name).map(([at]) => at);
  const directory = tree.resolve(parentOf(path)).path;
  const near = nearest(name, tree.children(directory));
  const hint =
    elsewhere.length > 0
      ? `${name} is at ${elsewhere.slice(0, 3).join(", ")}`
      : near === undefined
        ? "name the package that has it under packages:"
        : `did you mean ${directory === "/" ? "" : directory}/${near}?`;
  return new WhittleError(
    "ROOT_MISSING",
    `Cannot keep the root ${path}: nothing is there in the image's tree, a path of one of its packages or files is wanted`,
    { hint },
  );
}
