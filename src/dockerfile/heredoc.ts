import type { Heredoc } from "./instruction.ts";
import { trimStart } from "./whitespace.ts";
import { expandWords } from "./words.ts";

/** The start of a heredoc, before its content is read. */
export type HeredocMark = Omit<Heredoc, "content">;

const noVariables = new Map<string, string>();

/**
 * Reads one word as the start of a heredoc (`<<EOF`, `<<-EOF`, `3<<"EOF"`).
 *
 * @returns undefined when the word is none
 * @throws WhittleError `DOCKERFILE_INVALID` when a quote in its name is left open
 */
export function parseHeredoc(word: string): HeredocMark | undefined {
  const match = /^(\d*)<<(-?)/.exec(word);
  const rest = trimStart(word.slice(match?.[0].length));
  if (match === null || rest === "" || rest.includes("<")) return undefined;
  const names = expandWords(rest, noVariables, { keepUnset: true });
  const [name] = names;
  if (name === undefined || names.length !== 1) return undefined;
  const [raw = ""] = expandWords(rest, noVariables, { keepUnset: true, rawQuotes: true });
  const fileDescriptor = Number(match[1]);
  return {
    name,
    // A quote that was escaped counts in both; one that quoted is in the raw name only.
    expand: quotesIn(name) === quotesIn(raw),
    chomp: match[2] === "-",
    ...(fileDescriptor > 0 ? { fileDescriptor } : {}),
  };
}

/** The heredocs that a line starts, in order. */
export function heredocsOf(line: string): HeredocMark[] {
  if (!line.includes("<<")) return [];
  const options = { keepUnset: true, rawQuotes: true, rawEscapes: true } as const;
  return wordsOrNone(() => expandWords(line, noVariables, options)).flatMap(
    (word) => parseHeredoc(word) ?? [],
  );
}

/** A line that is not made of whole words starts no heredoc: it is left to the shell. */
function wordsOrNone(read: () => readonly string[]): readonly string[] {
  try {
    return read();
  } catch {
    return [];
  }
}

function quotesIn(text: string): number {
  return text.split(/['"]/).length - 1;
}

/** The content of a heredoc without the tabs that start its lines, as `<<-` wants it. */
export function withoutLeadingTabs(content: string): string {
  return content.replace(/(^|\n)\t+/g, "$1");
}
