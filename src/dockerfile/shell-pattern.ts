/** `*`, `?` or a character that stands for itself. */
export type PatternToken = "*" | "?" | { readonly literal: string };

/**
 * A pattern of the shell with `*` and `?` but without brackets. Neither of the two matches a line feed, as in the
 * reference implementation. Matching takes time linear in the text for each start.
 */
export class ShellPattern {
  readonly tokens: readonly PatternToken[];
  /** The tokens between the stars. */
  readonly #segments: readonly (readonly PatternToken[])[];
  readonly #isOneLine: boolean;

  /** @throws RangeError for an escape of a character that needs none */
  constructor(pattern: string | readonly PatternToken[]) {
    this.tokens = typeof pattern === "string" ? tokensOf(pattern) : pattern;
    this.#segments = segmentsOf(this.tokens);
    this.#isOneLine = !this.tokens.some((token) => typeof token === "object" && token.literal === "\n");
  }

  reversed(): ShellPattern {
    return new ShellPattern(this.tokens.toReversed());
  }

  /** How many characters from a start the pattern matches, as few or as many as can be; undefined when it does not. */
  matchAt(text: readonly string[], start: number, longest: boolean): number | undefined {
    const found = this.#match(text, start, longest);
    return typeof found === "number" ? found - start : undefined;
  }

  /** Replaces the first match, the longest from where it starts, or all of them. */
  replace(value: string, replacement: string, all: boolean): string {
    const text = Array.from(value);
    let result = "";
    let copied = 0;
    let lastEnd = -1;
    for (let start = 0; start <= text.length; ) {
      const end = this.#match(text, start, true);
      if (typeof end !== "number") {
        start = end.retryAt;
        continue;
      }
      // An empty match right behind the last one does not count.
      if (end > lastEnd) {
        const whole = text.slice(start, end).join("");
        result += text.slice(copied, start).join("") + (all ? filled(replacement, whole) : replacement);
        copied = lastEnd = end;
        if (!all) break;
      }
      start = end > start ? end : start + 1;
    }
    return result + text.slice(copied).join("");
  }

  /**
   * The end of the match from a start, or where to try next: once a `*` was reached and what follows it is not in
   * the rest of the line, no start in that line can match.
   */
  #match(text: readonly string[], start: number, longest: boolean): number | { readonly retryAt: number } {
    const [first = [], ...others] = this.#segments;
    if (!fits(text, start, first)) return { retryAt: start + 1 };
    let end = start + first.length;
    for (const [index, segment] of others.entries()) {
      const isLast = index === others.length - 1;
      const at = placeOf(text, end, segment, isLast && longest);
      if (at === undefined) return { retryAt: Math.max(start + 1, this.#isOneLine ? lineEnd(text, end) : 0) };
      end = at + segment.length;
    }
    return end;
  }
}

function segmentsOf(tokens: readonly PatternToken[]): PatternToken[][] {
  const segments: PatternToken[][] = [[]];
  for (const token of tokens) {
    if (token === "*") segments.push([]);
    else segments.at(-1)?.push(token);
  }
  return segments;
}

function fits(text: readonly string[], at: number, segment: readonly PatternToken[]): boolean {
  return segment.every((token, index) => {
    const character = text[at + index];
    if (character === undefined) return false;
    return typeof token === "object" ? token.literal === character : character !== "\n";
  });
}

/** The first or last place of a segment that a star can reach without crossing a line feed. */
function placeOf(
  text: readonly string[],
  from: number,
  segment: readonly PatternToken[],
  last: boolean,
): number | undefined {
  const limit = lineEnd(text, from);
  if (last) {
    for (let at = limit; at >= from; at--) if (fits(text, at, segment)) return at;
  } else {
    for (let at = from; at <= limit; at++) if (fits(text, at, segment)) return at;
  }
  return undefined;
}

function lineEnd(text: readonly string[], from: number): number {
  const end = text.indexOf("\n", from);
  return end === -1 ? text.length : end;
}

function tokensOf(pattern: string): PatternToken[] {
  const tokens: PatternToken[] = [];
  const characters = Array.from(pattern);
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index] ?? "";
    if (character === "*" || character === "?") tokens.push(character);
    else if (character !== "\\") tokens.push({ literal: character });
    else {
      const escaped = characters[++index] ?? "";
      // `}` and `/` are escaped for the sake of the substitution around the pattern.
      if (escaped === "" || !"*?\\}/".includes(escaped))
        throw new RangeError(`invalid escape '\\${escaped}'`);
      tokens.push({ literal: escaped });
    }
  }
  return tokens;
}

/** A replacement with `$0` and `${0}` for the match, as Go's regular expressions fill it; other names are empty. */
function filled(replacement: string, match: string): string {
  return replacement.replace(/\$(?:\$|\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
    if (whole === "$$") return "$";
    return /^0+$/.test(braced ?? bare ?? "") ? match : "";
  });
}
