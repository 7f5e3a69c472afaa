import { childOf, partsOf, type Tree, type TreePath } from "../tree/index.ts";

/**
 * The paths of a tree that match a pattern, in byte order. `*`, `?` and `[…]` match inside one part as in
 * glob(7), where a leading dot has to be written; `**` matches any number of parts. Links above the last part
 * are followed.
 */
export function matchPaths(tree: Tree, pattern: TreePath): TreePath[] {
  const found = new Set<TreePath>();
  match(tree, "/", partsOf(pattern), found);
  return [...found].sort();
}

/** Whether a text has any of the characters that make it a pattern. */
export function isPattern(text: string): boolean {
  return /[*?[]/.test(text);
}

function match(tree: Tree, at: TreePath, parts: readonly string[], found: Set<TreePath>): void {
  const [part, ...rest] = parts;
  if (part === undefined) {
    if (tree.has(at)) found.add(at);
    return;
  }
  if (part === "**") {
    match(tree, at, rest, found);
    for (const name of tree.children(at)) {
      const child = childOf(at, name);
      if (tree.get(child)?.type === "directory") match(tree, child, parts, found);
      else if (rest.length === 0) found.add(child);
    }
    return;
  }
  const directory = at === "/" ? at : tree.resolve(at).path;
  if (!isPattern(part)) {
    match(tree, childOf(directory, part), rest, found);
    return;
  }
  const expression = partExpression(part);
  for (const name of tree.children(directory)) {
    if (name.startsWith(".") && !part.startsWith(".")) continue;
    if (expression.test(name)) match(tree, childOf(directory, name), rest, found);
  }
}

/** One part of a pattern as a regular expression; a `[` without its `]` stands for itself. */
function partExpression(part: string): RegExp {
  let source = "";
  for (let i = 0; i < part.length; i++) {
    const character = part[i] ?? "";
    const end = character === "[" ? part.indexOf("]", i + 2) : -1;
    if (character === "*") source += "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (end > 0) {
      const set = part
        .slice(i + 1, end)
        .replace(/^!/, "^")
        .replace(/[\\\][]/g, "\\$&");
      source += `[${set}]`;
      i = end;
    } else source += character.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  }
  try {
    return new RegExp(`^${source}$`, "u");
  } catch {
    // A range that runs backwards matches nothing, as in glob(7).
    return /^(?!)/;
  }
}
