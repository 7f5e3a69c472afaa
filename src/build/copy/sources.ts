import { nearest, WhittleError } from "../../io/index.ts";
import { nameOf, parentOf, partsOf, type Tree, type TreePath } from "../../tree/index.ts";
import { hasWildcards, patternExpression } from "./pattern.ts";

/** A path of the source tree that is to be copied. */
export interface FoundSource {
  /** As it was named: its last part is the name of a copied file. */
  readonly path: TreePath;
  /** The same with all links followed. */
  readonly real: TreePath;
}

/** A path that is not there, and one beside it with nearly that name. */
export interface MissingSource {
  readonly path: TreePath;
  readonly near?: TreePath;
}

/**
 * The paths that one source of a copy names. A pattern that nothing matches names none; a path that is not there
 * is an error.
 *
 * @param source - absolute and clean
 * @param refuse - words the error for a path that is not there
 * @throws WhittleError `NOT_FOUND`
 */
export function findSources(
  tree: Tree,
  source: TreePath,
  refuse: (missing: MissingSource) => WhittleError = plainError,
): FoundSource[] {
  const parts = partsOf(source);
  const first = parts.findIndex(hasWildcards);
  if (first < 0) return findExact(tree, source, refuse);
  const above = `/${parts.slice(0, first).join("/")}`;
  const start = tree.resolve(above);
  if (start.entry === undefined) throw refuse(missing(tree, above));
  const expression = patternExpression(parts.slice(first).join("/"));
  if (expression === undefined) return [];
  const found: FoundSource[] = [];
  const visit = (directory: TreePath, relative: string): void => {
    for (const name of tree.children(directory)) {
      const path = directory === "/" ? `/${name}` : `${directory}/${name}`;
      const below = relative === "" ? name : `${relative}/${name}`;
      // What matches is copied whole; nothing below it is a match of its own.
      if (expression.test(below)) {
        const { path: real, entry } = tree.resolve(path);
        if (entry === undefined) throw refuse({ path });
        found.push({ path, real });
      } else if (tree.get(path)?.type === "directory") visit(path, below);
    }
  };
  visit(start.path, "");
  return found;
}

/** The same of a path that is no pattern. */
export function findExact(
  tree: Tree,
  source: TreePath,
  refuse: (missing: MissingSource) => WhittleError,
): FoundSource[] {
  const { path, entry } = tree.resolve(source);
  if (entry === undefined) throw refuse(missing(tree, source));
  return [{ path: source, real: path }];
}

function missing(tree: Tree, path: TreePath): MissingSource {
  const above = parentOf(path);
  const meant = nearest(nameOf(path), tree.children(above));
  return meant === undefined ? { path } : { path, near: above === "/" ? `/${meant}` : `${above}/${meant}` };
}

function plainError({ path }: MissingSource): WhittleError {
  return new WhittleError("NOT_FOUND", `Cannot copy ${path}: it is not there`);
}
