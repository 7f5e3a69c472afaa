import { patternSteps } from "./ignore-syntax.ts";
import { PathAutomaton } from "./path-automaton.ts";

/** One pattern of a `.dockerignore`, without the `!` that may stand before it. */
export interface PathPattern {
  /** Whether a path matches; paths below one that matches are the caller's business. */
  matches(path: string): boolean;
  /** Whether something below a directory could match. */
  couldMatchBelow(directory: string): boolean;
}

/**
 * Makes a pattern of its cleaned text, with the meaning of moby/patternmatcher: most patterns are a path, a path
 * with `**` behind it, or `**` and then a path, and need no automaton.
 *
 * Unlike there, `*`, `?` and `.` in brackets and `^` outside of them stand for themselves: moby hands them to a
 * regular expression unescaped, where they mean something that nobody who wrote the pattern can have meant.
 *
 * @throws RangeError when its syntax is wrong
 */
export function pathPattern(pattern: string): PathPattern {
  const steps = patternSteps(pattern);
  const isPlain = (text: string): boolean => !/[*?[\]\\]/.test(text);
  if (isPlain(pattern)) return new ExactPath(pattern);
  if (pattern.startsWith("**")) {
    const rest = pattern.slice(2);
    if (rest === "" || isPlain(rest)) return new PathEnd(rest);
  }
  if (pattern.endsWith("**") && isPlain(pattern.slice(0, -2))) return new PathStart(pattern.slice(0, -2));
  const automaton = new PathAutomaton(steps);
  return {
    matches: (path) => automaton.matches(path),
    couldMatchBelow: (directory) => automaton.couldContinue(`${directory}/`),
  };
}

class ExactPath implements PathPattern {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  matches(path: string): boolean {
    return path === this.#path;
  }

  couldMatchBelow(directory: string): boolean {
    return this.#path.startsWith(`${directory}/`);
  }
}

/** `start**`. */
class PathStart implements PathPattern {
  readonly #start: string;

  constructor(start: string) {
    this.#start = start;
  }

  matches(path: string): boolean {
    return path.startsWith(this.#start);
  }

  couldMatchBelow(directory: string): boolean {
    const below = `${directory}/`;
    return below.startsWith(this.#start) || this.#start.startsWith(below);
  }
}

/** `**end` and `**` + `/end`. */
class PathEnd implements PathPattern {
  readonly #end: string;

  constructor(end: string) {
    this.#end = end;
  }

  matches(path: string): boolean {
    return path.endsWith(this.#end) || `/${path}` === this.#end;
  }

  couldMatchBelow(): boolean {
    return true;
  }
}
