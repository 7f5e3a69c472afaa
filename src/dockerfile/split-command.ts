import { isSpace, trim } from "./whitespace.ts";

/** A logical line in its three parts; the arguments are not split yet. */
export interface CommandLine {
  /** The keyword as the person wrote it. */
  readonly command: string;
  /** Words before the arguments that start with `--`, without their quotes and escapes. */
  readonly flags: readonly string[];
  readonly rest: string;
}

/** Splits a logical line into keyword, flags and the rest. A lone `--` ends the flags. */
export function splitCommand(line: string): CommandLine {
  const text = trim(line);
  const end = text.search(/[\t\v\f\r ]/);
  if (end === -1) return { command: text, flags: [], rest: "" };
  const flags: string[] = [];
  let position = skipSpaces(text, end);
  while (text.startsWith("--", position)) {
    const word = flagWord(text, position);
    position = skipSpaces(text, word.end);
    if (word.text === "--") break;
    flags.push(word.text);
  }
  return { command: text.slice(0, end), flags, rest: text.slice(position) };
}

/** Reads one flag: quotes group, a backslash takes the next character as it is, whatever the escape directive. */
function flagWord(text: string, start: number): { readonly text: string; readonly end: number } {
  let word = "";
  let quote: string | undefined;
  let position = start;
  for (; position < text.length; position++) {
    const character = text.charAt(position);
    if (character === "\\") word += text.charAt(++position);
    else if (quote !== undefined) {
      if (character === quote) quote = undefined;
      else word += character;
    } else if (character === "'" || character === '"') quote = character;
    else if (isSpace(character)) break;
    else word += character;
  }
  return { text: word, end: position };
}

function skipSpaces(text: string, from: number): number {
  let position = from;
  while (position < text.length && isSpace(text.charAt(position))) position++;
  return position;
}
