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
 * @returns undefined for a malformed pattern
 */
export function patternExpression(pattern: string): RegExp | undefined {
  const characters = [...pattern];
  let source = "";
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i];
    if (character === "*") source += "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (character === "[") {
      const set = readSet(characters, i + 1);
      if (set === undefined) return undefined;
      source += set.source;
      i = set.end;
    } else {
      if (character === "\\") i++;
      const meant = characters[i];
      if (meant === undefined) return undefined;
      source += literal(meant);
    }
  }
  return new RegExp(`^${source}$`, "su");
}

/** What follows an opening bracket, up to the index of the closing one; a set matches slashes like anything else. */
function readSet(
  characters: readonly string[],
  start: number,
): { readonly source: string; readonly end: number } | undefined {
  let at = start;
  const negated = characters[at] === "^";
  if (negated) at++;
  const one = (): string | undefined => {
    if (characters[at] === "-" || characters[at] === "]") return undefined;
    if (characters[at] === "\\") at++;
    return characters[at++];
  };
  const ranges: string[] = [];
  while (ranges.length === 0 || characters[at] !== "]") {
    const low = one();
    if (low === undefined) return undefined;
    let high: string | undefined = low;
    if (characters[at] === "-") {
      at++;
      high = one();
    }
    if (high === undefined || at >= characters.length) return undefined;
    // A range that runs backwards holds nothing.
    const empty = (low.codePointAt(0) ?? 0) > (high.codePointAt(0) ?? 0);
    ranges.push(empty ? "" : `${literal(low)}-${literal(high)}`);
  }
  return { source: `[${negated ? "^" : ""}${ranges.join("")}]`, end: at };
}

function literal(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
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
