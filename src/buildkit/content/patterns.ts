import { posix } from "node:path";
import { type PathPattern, pathPattern } from "../../dockerfile/index.ts";

interface Rule {
  readonly isException: boolean;
  readonly pattern: PathPattern;
}

/** Which rules matched a directory: of what is in it they need not be asked again. */
export type Matched = readonly boolean[];

/** Patterns that are asked from the top down, as moby/patternmatcher's `MatchesUsingParentResults` is. */
export class PatternRules {
  readonly #rules: readonly Rule[];

  /** @throws RangeError for a pattern that is none */
  constructor(patterns: readonly string[]) {
    this.#rules = patterns.flatMap((given) => {
      const trimmed = given.trim();
      if (trimmed === "") return [];
      const text = posix.normalize(trimmed).replace(/(?<=.)\/$/, "");
      const isException = text.startsWith("!");
      return [{ isException, pattern: pathPattern(isException ? text.slice(1) : text) }];
    });
  }

  /**
   * Whether a path is meant. A rule that cannot change the answer any more is not asked, and counts as one that does
   * not match for what is below.
   *
   * @param above - what the directory of the path came to; undefined where it was not asked
   */
  matches(path: string, above: Matched | undefined): { readonly meant: boolean; readonly matched: Matched } {
    let meant = false;
    const matched = this.#rules.map(({ isException, pattern }, index) => {
      const match =
        above?.[index] === true ||
        (isException === meant &&
          (pattern.matches(path) || (above === undefined && matchesAbove(pattern, path))));
      if (match) meant = !isException;
      return match;
    });
    return { meant, matched };
  }
}

function matchesAbove(pattern: PathPattern, path: string): boolean {
  for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
    if (pattern.matches(path.slice(0, slash))) return true;
  }
  return false;
}
