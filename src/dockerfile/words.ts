import { ExpansionError } from "./expansion-error.ts";
import type { Place } from "./instruction.ts";
import { invalid, mistake } from "./place.ts";
import { WordScanner } from "./word-scanner.ts";

/** Where variables have their values; a `Map` is one. */
export interface Variables {
  get(name: string): string | undefined;
}

/** How words are read. */
export interface ExpansionOptions {
  /** The character that takes the next one as it is. */
  readonly escape?: "\\" | "`";
  /** Quotes stay in the result. */
  readonly rawQuotes?: boolean;
  /** Escapes stay in the result. */
  readonly rawEscapes?: boolean;
  /** Quotes mean nothing, as in the content of a heredoc. */
  readonly ignoreQuotes?: boolean;
  /** References to variables without a value stay as they are. */
  readonly keepUnset?: boolean;
  /** The instruction that holds the text, so that an error can point at it. */
  readonly place?: Place;
}

/** A text with its variables filled in. */
export interface Expansion {
  readonly text: string;
  /** The text split at white space that was not quoted; what variables held is split too. */
  readonly words: readonly string[];
  /** Variables that were looked up and had a value. */
  readonly used: ReadonlySet<string>;
  /** Variables that were looked up and had none. */
  readonly unset: ReadonlySet<string>;
}

/**
 * Fills in variables, and takes quotes and escapes away, as a POSIX shell does: `$name`, `${name}` and the forms
 * with `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//` (Dockerfile reference, "Environment replacement").
 *
 * @throws WhittleError `DOCKERFILE_INVALID` for a quote or brace left open, a form that does not exist, or a
 *   variable that `?` demands
 */
export function expand(text: string, variables: Variables, options: ExpansionOptions = {}): Expansion {
  const scanner = new WordScanner(text, variables, options);
  try {
    return { ...scanner.scan(), used: scanner.used, unset: scanner.unset };
  } catch (error) {
    if (!(error instanceof ExpansionError)) throw error;
    const message = `failed to process ${JSON.stringify(text)}: ${error.message}`;
    if (options.place !== undefined) throw mistake(options.place, message, { part: text });
    throw invalid(`Cannot expand variables: ${message}`);
  }
}

/** {@link expand} to one text. */
export function expandWord(text: string, variables: Variables, options: ExpansionOptions = {}): string {
  return expand(text, variables, options).text;
}

/** {@link expand} to words. */
export function expandWords(
  text: string,
  variables: Variables,
  options: ExpansionOptions = {},
): readonly string[] {
  return expand(text, variables, options).words;
}
