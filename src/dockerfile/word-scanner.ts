import { ExpansionError } from "./expansion-error.ts";
import { substitute } from "./substitution.ts";
import { isSpace } from "./whitespace.ts";
import { WordCollector } from "./word-collector.ts";
import type { ExpansionOptions, Variables } from "./words.ts";

/** Levels that `${a:-${b:-…}}` may nest. */
const depthLimit = 200;

interface Scanned {
  readonly text: string;
  readonly words: readonly string[];
}

/** Reads a text character by character, filling in variables as they come. */
export class WordScanner {
  readonly used = new Set<string>();
  readonly unset = new Set<string>();
  readonly keepUnset: boolean;
  readonly #characters: readonly string[];
  readonly #variables: Variables;
  readonly #options: ExpansionOptions;
  #position = 0;
  #depth = 0;

  constructor(text: string, variables: Variables, options: ExpansionOptions) {
    this.#characters = Array.from(text);
    this.#variables = variables;
    this.#options = options;
    this.keepUnset = options.keepUnset ?? false;
  }

  /** The next character, which stays; undefined at the end. */
  peek(): string | undefined {
    return this.#characters[this.#position];
  }

  /** The next character, taken; undefined at the end. */
  next(): string | undefined {
    return this.#characters[this.#position++];
  }

  lookUp(name: string): string | undefined {
    const value = this.#variables.get(name);
    (value === undefined ? this.unset : this.used).add(name);
    return value;
  }

  /**
   * Reads up to a character, which is taken, or to the end.
   *
   * @throws ExpansionError when the text ends before that character, among others
   */
  scan(stop?: string, rawEscapes = this.#options.rawEscapes ?? false): Scanned {
    if (++this.#depth > depthLimit) throw new ExpansionError("substitutions are nested too deeply");
    const collected = new WordCollector();
    for (;;) {
      const character = this.peek();
      if (character === undefined || character === stop) break;
      if (character === "$") collected.addSplit(substitute(this));
      else if (character === "<") collected.addWhole(this.#heredocMark());
      else if (character === "'" && this.#options.ignoreQuotes !== true) {
        collected.addWhole(this.#singleQuoted());
      } else if (character === '"' && this.#options.ignoreQuotes !== true) {
        collected.addWhole(this.#doubleQuoted(rawEscapes));
      } else if (character === this.#escape) this.#escaped(collected, rawEscapes);
      else collected.addSplit(this.next() ?? "");
    }
    this.#depth--;
    if (stop !== undefined && this.next() === undefined) {
      throw new ExpansionError(`unexpected end of statement while looking for matching ${stop}`);
    }
    return collected.finish();
  }

  get #escape(): string {
    return this.#options.escape ?? "\\";
  }

  #escaped(collected: WordCollector, rawEscapes: boolean): void {
    const token = this.next() ?? "";
    if (rawEscapes) collected.addWhole(token);
    // An escape at the very end stands for nothing.
    const character = this.next();
    if (character !== undefined) collected.addWhole(character);
  }

  /** `<<` and the white space behind it belong to the word that follows, the name of a heredoc. */
  #heredocMark(): string {
    let mark = this.next() ?? "";
    if (this.peek() !== "<") return mark;
    mark += this.next();
    if (this.peek() === "-") mark += this.next();
    for (let space = this.peek(); space !== undefined && isSpace(space); space = this.peek()) {
      mark += this.next();
    }
    return mark;
  }

  #singleQuoted(): string {
    const quote = this.#options.rawQuotes === true ? "'" : "";
    this.next();
    let text = quote;
    for (let character = this.next(); character !== "'"; character = this.next()) {
      if (character === undefined) {
        throw new ExpansionError("unexpected end of statement while looking for matching single-quote");
      }
      text += character;
    }
    return text + quote;
  }

  /** Inside double quotes variables are filled in, and only `"`, `$` and the escape itself can be escaped. */
  #doubleQuoted(rawEscapes: boolean): string {
    const quote = this.#options.rawQuotes === true ? '"' : "";
    this.next();
    let text = quote;
    for (;;) {
      const character = this.peek();
      if (character === undefined) {
        throw new ExpansionError("unexpected end of statement while looking for matching double-quote");
      }
      if (character === "$") {
        text += substitute(this);
        continue;
      }
      this.next();
      if (character === '"') return text + quote;
      if (character === this.#escape) text += this.#quotedEscape(rawEscapes);
      else text += character;
    }
  }

  #quotedEscape(rawEscapes: boolean): string {
    const kept = rawEscapes ? this.#escape : "";
    const character = this.peek();
    if (character === undefined) return kept;
    if (character === '"' || character === "$" || character === this.#escape) {
      return kept + (this.next() ?? "");
    }
    return kept + this.#escape;
  }
}
