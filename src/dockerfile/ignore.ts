import { posix } from "node:path";
import { type PathPattern, pathPattern } from "./ignore-pattern.ts";
import { invalid } from "./place.ts";
import { trim } from "./whitespace.ts";

/** What a `.dockerignore` leaves out. Paths are relative to the context, without `./` and trailing slashes. */
export interface IgnoreMatcher {
  /** The patterns, cleaned, exceptions with their `!`. */
  readonly patterns: readonly string[];
  /** Whether a path is left out: the last pattern that matches it or a directory above it decides. */
  matches(path: string): boolean;
  /**
   * Whether something below a directory that is left out could be taken back by an exception; if not, the directory
   * need not be walked.
   */
  couldMatchBelow(directory: string): boolean;
  /** The pattern that leaves a path out, as it is in {@link patterns}; undefined for a path that stays. */
  deciding(path: string): string | undefined;
}

/** Bytes that a `.dockerignore` may have. */
const sizeLimit = 4 * 1024 * 1024;

/**
 * Reads the patterns of a `.dockerignore` as moby/patternmatcher/ignorefile does: comments and blank lines are left
 * out, patterns are trimmed, cleaned and made relative.
 *
 * @param file - its name, for messages
 * @throws WhittleError `DOCKERFILE_INVALID` when it is too large
 */
export function parseIgnoreFile(source: string, file: string): string[] {
  if (Buffer.byteLength(source) > sizeLimit) {
    throw invalid(`Cannot use ${file}: it is larger than ${sizeLimit} bytes`);
  }
  const text = source.startsWith("\uFEFF") ? source.slice(1) : source;
  return text.split("\n").flatMap((line) => {
    const pattern = trim(line);
    if (line.startsWith("#") || pattern === "") return [];
    if (!pattern.startsWith("!")) return [relative(pattern)];
    const excepted = trim(pattern.slice(1));
    return [`!${excepted === "" ? "" : relative(excepted)}`];
  });
}

function relative(pattern: string): string {
  const path = cleaned(pattern);
  return path.length > 1 && path.startsWith("/") ? path.slice(1) : path;
}

/** A path in its shortest form, as Go's `filepath.Clean` gives it. */
function cleaned(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
}

/**
 * Makes a matcher of patterns as they stand in a `.dockerignore` or an `--exclude`.
 *
 * @param file - where they stand, for messages
 * @throws WhittleError `DOCKERFILE_INVALID` for a pattern that is none
 */
export function ignoreMatcher(patterns: Iterable<string>, file = ".dockerignore"): IgnoreMatcher {
  return new PatternList(
    [...patterns].flatMap((given) => {
      const text = trim(given);
      return text === "" ? [] : [ruleOf(cleaned(text), file)];
    }),
  );
}

interface Rule {
  readonly text: string;
  readonly isException: boolean;
  readonly pattern: PathPattern;
}

function ruleOf(text: string, file: string): Rule {
  if (text === "!")
    throw invalid(`Cannot use ${file}: illegal exclusion pattern: "!", a pattern is wanted after it`);
  const isException = text.startsWith("!");
  try {
    return { text, isException, pattern: pathPattern(isException ? text.slice(1) : text) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw invalid(`Cannot use ${file}: syntax error in pattern ${JSON.stringify(text)}: ${error.message}`);
  }
}

/** Directories whose results are kept. */
const memoryLimit = 20_000;

class PatternList implements IgnoreMatcher {
  readonly #rules: readonly Rule[];
  readonly #exceptions: readonly Rule[];
  /** Which rules match a directory. A path below matches those, too, without being asked. */
  readonly #directories = new Map<string, Uint8Array>();

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
    this.#exceptions = rules.filter((rule) => rule.isException);
  }

  get patterns(): readonly string[] {
    return this.#rules.map((rule) => rule.text);
  }

  matches(path: string): boolean {
    return this.#evaluate(path, new Uint8Array(this.#rules.length));
  }

  deciding(path: string): string | undefined {
    const results = new Uint8Array(this.#rules.length);
    if (!this.#evaluate(path, results)) return undefined;
    return this.#rules[results.lastIndexOf(1)]?.text;
  }

  couldMatchBelow(directory: string): boolean {
    return this.#exceptions.some((rule) => rule.pattern.couldMatchBelow(directory));
  }

  /**
   * Whether a path is left out; notes which rules match it. A rule that cannot change the outcome so far is not
   * asked, and counts as not matching for everything below: that is what builds have always done.
   */
  #evaluate(path: string, results: Uint8Array): boolean {
    const above = this.#resultsAbove(path);
    let isIgnored = false;
    for (const [index, rule] of this.#rules.entries()) {
      const isKnown = above?.[index] === 1;
      if (!isKnown && rule.isException !== isIgnored) continue;
      if (!isKnown && !rule.pattern.matches(path)) continue;
      results[index] = 1;
      isIgnored = !rule.isException;
    }
    return isIgnored;
  }

  #resultsAbove(path: string): Uint8Array | undefined {
    const slash = path.lastIndexOf("/");
    if (slash <= 0) return undefined;
    const directory = path.slice(0, slash);
    const known = this.#directories.get(directory);
    if (known !== undefined) return known;
    const results = new Uint8Array(this.#rules.length);
    this.#evaluate(directory, results);
    if (this.#directories.size >= memoryLimit) this.#directories.clear();
    this.#directories.set(directory, results);
    return results;
  }
}
