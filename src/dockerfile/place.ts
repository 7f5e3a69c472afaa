import { nearest, type SourceLocation, WhittleError } from "../io/index.ts";
import type { Place } from "./instruction.ts";

/**
 * The location of a part of an instruction: of its first occurrence in the instruction's lines, as a whole word
 * where there is one; without a part, or when it was put together from several lines, where the instruction starts.
 */
export function pointAt(place: Place, part?: string): SourceLocation {
  const start = { file: place.file, line: place.line, column: firstColumn(place.text), text: place.text };
  if (part === undefined || part === "" || part.includes("\n")) return start;
  let inside: SourceLocation | undefined;
  for (const [index, text] of place.lines.entries()) {
    for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + part.length)) {
      const location = { file: place.file, line: place.line + index, column: at + 1, text };
      if (standsAlone(text, at, part.length)) return location;
      inside ??= location;
    }
  }
  return inside ?? start;
}

function standsAlone(text: string, at: number, length: number): boolean {
  return !/\w/.test(text.charAt(at - 1)) && !/\w/.test(text.charAt(at + length));
}

function firstColumn(text: string): number {
  return text.length - text.trimStart().length + 1;
}

/** The edit distance within which BuildKit, too, suggests a word. */
export const suggestionLimit = 2;

/** What a mistake in an instruction may say besides its message. */
export interface MistakeDetails {
  /** The words at fault, as they stand in the file. */
  readonly part?: string | undefined;
  readonly hint?: string;
  /** The word that is wrong and those that would be right: the nearest of them is suggested. */
  readonly meant?: readonly [string, Iterable<string>];
}

/** The error for an instruction that is wrong, pointing at the part of it that is. */
export function mistake(place: Place, message: string, details: MistakeDetails = {}): WhittleError {
  const meant = details.meant === undefined ? undefined : nearest(...details.meant, suggestionLimit);
  const suggestion = meant === undefined ? "" : ` (did you mean ${meant}?)`;
  return invalid(
    `Cannot build from ${place.file}: dockerfile parse error on line ${place.line}: ${message}${suggestion}`,
    pointAt(place, details.part),
    details.hint,
  );
}

/** The error for a file that cannot be read as a Dockerfile. */
export function invalid(message: string, at?: SourceLocation, hint?: string): WhittleError {
  return new WhittleError("DOCKERFILE_INVALID", message, {
    ...(at === undefined ? {} : { at }),
    ...(hint === undefined ? {} : { hint }),
  });
}
