/**
 * Whether a name has characters that make it a pattern (Go's path/filepath, "Match"), which is what COPY's sources
 * are written in.
 */
export function hasWildcards(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const character = name[i] ?? "";
    if (character === "\\") i++;
    else if ("*?[".includes(character)) return true;
  }
  return false;
}

/**
 * A pattern of Go's path/filepath as a regular expression: `*` and `?` never match a slash, `[a-z]` and `[^a-z]`
 * are sets, a backslash takes the meaning from what follows.
 *
 * @returns undefined for a malformed pattern, which matches nothing
 */
export function patternExpression(pattern: string): RegExp | undefined {
  let source = "";
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i] ?? "";
    if (character === "*") source += "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (character === "[") {
      const set = /^\[(\^?)((?:\\.|[^\]\\])+)\]/su.exec(pattern.slice(i));
      if (set === null) return undefined;
      source += `(?!/)[${set[1]}${(set[2] ?? "").replace(/\\(.)/gsu, "\\$1").replace(/\[/g, "\\[")}]`;
      i += set[0].length - 1;
    } else if (character === "\\") {
      i++;
      if (i >= pattern.length) return undefined;
      source += literal(pattern[i] ?? "");
    } else source += literal(character);
  }
  try {
    return new RegExp(`^${source}$`, "s");
  } catch {
    return undefined;
  }
}

function literal(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}

/**
 * Whether `--parents` wants a path: a part of the pattern answers for the same part of the path, `**` for any number
 * of them.
 */
export function matchesParents(pattern: string, path: string): boolean {
  return matchParts(pattern.split("/"), path.split("/"));
}

function matchParts(pattern: readonly string[], path: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return path.length === 0;
  if (first === "**") {
    return path.some((_, index) => matchParts(rest, path.slice(index))) || rest.length === 0;
  }
  const [part, ...below] = path;
  return part !== undefined && patternExpression(first)?.test(part) === true && matchParts(rest, below);
}
