import { isSpace, trimStart } from "./whitespace.ts";

/** The arguments of an instruction, and whether they stood as a JSON array. */
export interface Arguments {
  readonly words: readonly string[];
  readonly json: boolean;
}

/** What is wrong with arguments, in the reference implementation's words. */
export class ArgumentsError extends Error {
  /** The words at fault. */
  readonly part: string;

  constructor(message: string, part: string) {
    super(message);
    this.part = part;
  }
}

const plain = (words: readonly string[]): Arguments => ({ words, json: false });

/** Everything is one argument. */
export function wholeArgument(rest: string): Arguments {
  return plain(rest === "" ? [] : [rest]);
}

/** Words between white space, quotes meaning nothing. */
export function spacedArguments(rest: string): Arguments {
  return plain(rest === "" ? [] : rest.split(/[\t\v\f\r ]+/));
}

/** Words with their quotes and escapes kept, each a name or `name=value`. */
export function quotedArguments(rest: string, token: string): Arguments {
  return plain(quotedWords(rest, token));
}

/** A JSON array of strings, or else everything as one argument for the shell. */
export function commandArguments(rest: string): Arguments {
  return jsonArguments(rest) ?? wholeArgument(rest);
}

/** A JSON array of strings, or else words between white space. */
export function listArguments(rest: string): Arguments {
  return jsonArguments(rest) ?? spacedArguments(rest);
}

/** The type of a health check and then its command. */
export function healthArguments(rest: string): Arguments {
  let end = 0;
  while (end < rest.length && !isSpace(rest.charAt(end))) end++;
  if (end === 0) return plain([]);
  const command = commandArguments(trimStart(rest.slice(end)));
  return { words: [rest.slice(0, end), ...command.words], json: command.json };
}

/**
 * Pairs as triples of name, value and what stood between them: `name=value …` or the old `name value`, told apart
 * by whether the first word holds `=`.
 *
 * @throws ArgumentsError when a value or an `=` is missing
 */
export function pairArguments(rest: string, token: string, command: string): Arguments {
  const words = quotedWords(rest, token);
  const [first] = words;
  if (first === undefined) return plain([]);
  if (!first.includes("=")) {
    const space = rest.search(/[\t\v\f\r ]/);
    if (space === -1) throw new ArgumentsError(`${command} must have two arguments`, rest);
    return plain([rest.slice(0, space), rest.slice(space).replace(/^[\t\v\f\r ]+/, ""), ""]);
  }
  return plain(
    words.flatMap((word) => {
      const equals = word.indexOf("=");
      if (equals === -1) {
        const message = `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`;
        throw new ArgumentsError(message, word);
      }
      return [word.slice(0, equals), word.slice(equals + 1), "="];
    }),
  );
}

/** @throws ArgumentsError for an array that holds something else than strings */
function jsonArguments(rest: string): Arguments | undefined {
  const text = trimStart(rest);
  if (!text.startsWith("[")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  if (!value.every((word) => typeof word === "string")) {
    throw new ArgumentsError(
      "when using JSON array syntax, arrays must be comprised of strings only",
      text.split(/\s/)[0] ?? text,
    );
  }
  return { words: value.map((word: string) => word.toWellFormed()), json: true };
}

/**
 * Splits words at white space that is neither quoted nor escaped; quotes and escapes stay for the expansion that
 * follows. An escape at the very end is dropped.
 */
export function quotedWords(rest: string, token: string): string[] {
  const words: string[] = [];
  let word = "";
  let quote: string | undefined;
  for (let position = 0; position < rest.length; position++) {
    const character = rest.charAt(position);
    if (character === token && quote !== "'") {
      // Half of a surrogate pair may be taken here; the other half follows it at once.
      if (position + 1 < rest.length) word += character + rest.charAt(++position);
      continue;
    }
    if (quote === undefined && isSpace(character)) {
      if (word !== "") words.push(word);
      word = "";
      continue;
    }
    if (character === quote) quote = undefined;
    else if (quote === undefined && (character === "'" || character === '"')) quote = character;
    word += character;
  }
  if (word !== "") words.push(word);
  return words;
}
