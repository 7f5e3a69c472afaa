/** One step of a pattern: a character of a class, or something that repeats. */
export type PatternStep =
  | { readonly kind: "one"; readonly accepts: (character: string) => boolean }
  /** `*`: any run of characters inside one part of a path. */
  | { readonly kind: "run" }
  /** `**` at the end: anything. */
  | { readonly kind: "all" }
  /** `**` and the slash behind it: nothing, or whole parts of a path with theirs. */
  | { readonly kind: "parts" };

/**
 * Reads a pattern with the syntax of Go's `path/filepath.Match` and `**` besides.
 *
 * @throws RangeError for a bracket that is not closed, an empty range, or a backslash with nothing behind it
 */
export function patternSteps(pattern: string): PatternStep[] {
  const characters = Array.from(pattern);
  const steps: PatternStep[] = [];
  let position = 0;
  while (position < characters.length) {
    const character = characters[position++] ?? "";
    if (character === "*") {
      if (characters[position] !== "*") {
        steps.push({ kind: "run" });
        continue;
      }
      position++;
      if (characters[position] === "/") position++;
      steps.push({ kind: position < characters.length ? "parts" : "all" });
    } else if (character === "?") {
      steps.push({ kind: "one", accepts: (one) => one !== "/" });
    } else if (character === "[") {
      const set = readClass(characters, position);
      steps.push({ kind: "one", accepts: set.accepts });
      position = set.end;
    } else {
      const literal = character === "\\" ? characters[position++] : character;
      if (literal === undefined) throw new RangeError("it ends in a backslash");
      steps.push({ kind: "one", accepts: (one) => one === literal });
    }
  }
  return steps;
}

interface CharacterClass {
  readonly accepts: (character: string) => boolean;
  readonly end: number;
}

function readClass(characters: readonly string[], start: number): CharacterClass {
  const negated = characters[start] === "^";
  let position = negated ? start + 1 : start;
  const ranges: (readonly [number, number])[] = [];
  while (ranges.length === 0 || characters[position] !== "]") {
    const low = classCharacter(characters, position);
    position = low.end;
    let high = low;
    if (characters[position] === "-") {
      high = classCharacter(characters, position + 1);
      position = high.end;
    }
    ranges.push([low.code, high.code]);
  }
  const accepts = (character: string): boolean => {
    const code = character.codePointAt(0) ?? 0;
    return ranges.some(([low, high]) => low <= code && code <= high) !== negated;
  };
  return { accepts, end: position + 1 };
}

function classCharacter(
  characters: readonly string[],
  at: number,
): { readonly code: number; readonly end: number } {
  const isEscaped = characters[at] === "\\";
  const character = characters[isEscaped ? at + 1 : at];
  if (character === undefined) throw new RangeError('a "[" is not closed');
  if (!isEscaped && (character === "-" || character === "]")) {
    throw new RangeError(`"${character}" in brackets needs a backslash before it`);
  }
  return { code: character.codePointAt(0) ?? 0, end: at + (isEscaped ? 2 : 1) };
}
