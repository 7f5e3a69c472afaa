import { ExpansionError } from "./expansion-error.ts";
import { ShellPattern } from "./shell-pattern.ts";
import type { WordScanner } from "./word-scanner.ts";

const specialParameters = new Set(["@", "*", "#", "?", "-", "$", "!", "0"]);

/**
 * Reads a `$` and what follows, and gives what it stands for.
 *
 * @throws ExpansionError for a form that does not exist or is not finished, or a variable that `?` demands
 */
export function substitute(scanner: WordScanner): string {
  scanner.next();
  if (scanner.peek() !== "{") {
    const name = variableName(scanner);
    if (name === "") return "$";
    return scanner.lookUp(name) ?? (scanner.keepUnset ? `$${name}` : "");
  }
  scanner.next();
  const first = scanner.peek();
  if (first === undefined) throw new ExpansionError("syntax error: missing '}'");
  if (first === "{" || first === "}" || first === ":") {
    throw new ExpansionError("syntax error: bad substitution");
  }
  const name = variableName(scanner);
  const modifier = scanner.next();
  switch (modifier) {
    case "}":
      return scanner.lookUp(name) ?? (scanner.keepUnset ? `\${${name}}` : "");
    case ":":
      return withModifier(scanner, name, scanner.next(), true);
    case "/":
      return replaced(scanner, name);
    default:
      return withModifier(scanner, name, modifier, false);
  }
}

/** A name: letters, digits and `_`; digits alone; or one of the special parameters. */
function variableName(scanner: WordScanner): string {
  const first = scanner.peek();
  if (first === undefined) return "";
  if (isDigit(first)) return taken(scanner, isDigit);
  if (specialParameters.has(first)) return scanner.next() ?? "";
  return taken(scanner, (character) => /^[\p{L}\p{Nd}_]$/u.test(character));
}

function isDigit(character: string): boolean {
  return /^\p{Nd}$/u.test(character);
}

function taken(scanner: WordScanner, wanted: (character: string) => boolean): string {
  let text = "";
  for (let next = scanner.peek(); next !== undefined && wanted(next); next = scanner.peek()) {
    text += scanner.next();
  }
  return text;
}

function withModifier(
  scanner: WordScanner,
  name: string,
  modifier: string | undefined,
  colon: boolean,
): string {
  const shown = `${colon ? ":" : ""}${modifier ?? ""}`;
  if (modifier === undefined) throw new ExpansionError("syntax error: missing '}'");
  if (!colon && !"+-?#%".includes(modifier)) throw unsupported(shown);
  const isPattern = modifier === "#" || modifier === "%";
  const word = finished(scanner, "}", isPattern);
  const value = scanner.lookUp(name);
  if (value === undefined && scanner.keepUnset) return `\${${name}${shown}${word}}`;
  const missing = value === undefined || (colon && value === "");
  switch (modifier) {
    case "-":
      return missing ? word : value;
    case "+":
      return missing ? "" : word;
    case "?":
      if (!missing) return value;
      throw new ExpansionError(
        `${name}: ${word === "" ? `is not allowed to be ${value === undefined ? "unset" : "empty"}` : word}`,
      );
    case "#":
    case "%":
      if (colon) throw unsupported(shown);
      return trimmed(value ?? "", word, modifier);
    default:
      throw unsupported(shown);
  }
}

function unsupported(modifier: string): ExpansionError {
  return new ExpansionError(`unsupported modifier (${modifier}) in substitution`);
}

/** `#` and `%` take away the shortest match of a pattern at the start or end, doubled the longest. */
function trimmed(value: string, word: string, modifier: "#" | "%"): string {
  const longest = word.startsWith(modifier);
  const pattern = patternOf(longest ? word.slice(1) : word);
  const characters = Array.from(value);
  const isPrefix = modifier === "#";
  const length = isPrefix
    ? pattern.matchAt(characters, 0, longest)
    : pattern.reversed().matchAt(characters.toReversed(), 0, longest);
  if (length === undefined) return value;
  return (isPrefix ? characters.slice(length) : characters.slice(0, characters.length - length)).join("");
}

/** `${name/pattern/replacement}`, with `//` for every match. */
function replaced(scanner: WordScanner, name: string): string {
  const all = scanner.peek() === "/";
  if (all) scanner.next();
  const word = finished(scanner, "/", true);
  const replacement = finished(scanner, "}", true);
  const value = scanner.lookUp(name);
  if (value === undefined && scanner.keepUnset) return `\${${name}/${word}/${replacement}}`;
  return patternOf(word).replace(value ?? "", replacement, all);
}

function patternOf(word: string): ShellPattern {
  try {
    return new ShellPattern(word);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ExpansionError(`invalid pattern (${word}) in substitution: ${error.message}`);
  }
}

/** Reads a word of the substitution up to the character that ends it. */
function finished(scanner: WordScanner, stop: "}" | "/", rawEscapes: boolean): string {
  try {
    return scanner.scan(stop, rawEscapes).text;
  } catch (error) {
    if (!(error instanceof ExpansionError) || scanner.peek() !== undefined) throw error;
    throw new ExpansionError(`syntax error: missing '${stop}'${stop === "/" ? ` in \${}` : ""}`);
  }
}
