import { WhittleError } from "../../io/index.ts";
import { partsOf, type Tree, type TreePath } from "../../tree/index.ts";
import { hasWildcards, patternExpression } from "./pattern.ts";

/** A path of the source tree that is to be copied. */
export interface FoundSource {
  /** As it was named: its last part is the name of a copied file. */
  readonly path: TreePath;
  /** The same with all links followed. */
  readonly real: TreePath;
}

/**
 * The paths that one source of a copy names. A pattern that nothing matches names none; a path that is not there
 * is an error.
 *
 * @param source - absolute and clean
 * @throws WhittleError `NOT_FOUND`
 */
export function findSources(tree: Tree, source: TreePath): FoundSource[] {
  const parts = partsOf(source);
  const first = parts.findIndex(hasWildcards);
  if (first < 0) {
    const { path, entry } = tree.resolve(source);
    if (entry === undefined) throw missing(source);
    return [{ path: source, real: path }];
  }
  const above = `/${parts.slice(0, first).join("/")}`;
  const start = tree.resolve(above);
  if (start.entry === undefined) throw missing(above);
  const expression = patternExpression(parts.slice(first).join("/"));
  if (expression === undefined) return [];
  const found: FoundSource[] = [];
  const visit = (directory: TreePath, relative: string): void => {
    for (const name of tree.children(directory)) {
      const path = directory === "/" ? `/${name}` : `${directory}/${name}`;
      const below = relative === "" ? name : `${relative}/${name}`;
      // What matches is copied whole; nothing below it is a match of its own.
      if (expression.test(below)) found.push({ path, real: tree.resolve(path).path });
      else if (tree.get(path)?.type === "directory") visit(path, below);
    }
  };
  visit(start.path, "");
  return found;
}

function missing(path: TreePath): WhittleError {
  return new WhittleError("NOT_FOUND", `Cannot copy ${path}: it is not there`);
}
