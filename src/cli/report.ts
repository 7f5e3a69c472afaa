import { isSystemError, redact, type SourceLocation, WhittleError } from "../io/index.ts";
import { type Paint, paint, printable } from "./paint.ts";

/**
 * An error as a person is to see it: what was attempted, found and wanted, the place in the file with a caret,
 * and what to do. Never a stack trace.
 *
 * @returns lines that end in a newline
 */
export function renderError(error: unknown, colour: boolean): string {
  const p = paint(colour);
  if (!(error instanceof WhittleError)) return renderForeign(error, p);
  const lines: string[] = [];
  const { at } = error;
  if (at !== undefined) lines.push(p.bold(printable(`${at.file}:${at.line}:${at.column}`)));
  lines.push(`${p.red("whittle:")} ${printable(error.message)}`);
  if (at !== undefined) lines.push(...pointed(at, p));
  if (error.hint !== undefined) lines.push(`${p.cyan("hint:")} ${printable(error.hint)}`);
  return `${lines.join("\n")}\n`;
}

/** A warning about a place in a file, as a person is to see it: what is said of which word. Ends in a newline. */
export function renderFinding(rule: string, message: string, at: SourceLocation, colour: boolean): string {
  const p = paint(colour);
  const place = p.bold(printable(`${at.file}:${at.line}:${at.column}`));
  const lines = [`${place}: ${p.yellow(rule)}: ${printable(message)}`, ...pointed(at, p)];
  return `${lines.join("\n")}\n`;
}

/** The line of a place with a caret below; nothing where its text is not known. */
function pointed(at: SourceLocation, p: Paint): string[] {
  if (at.text === undefined) return [];
  const number = String(at.line);
  const gutter = " ".repeat(number.length);
  const { text, column } = excerpt(at.text, at.column);
  const before = text.slice(0, column - 1).replace(/[^\t]/g, " ");
  return [`${p.dim(`${number} |`)} ${text}`, `${p.dim(`${gutter} |`)} ${before}${p.red("^")}`];
}

const longestExcerpt = 120;

/** The line around the mistake, without what a terminal would obey; a long one is cut at both ends. */
function excerpt(line: string, column: number): { text: string; column: number } {
  const from = column > longestExcerpt - 20 ? column - 40 : 0;
  const cut = line.slice(from, from + longestExcerpt);
  const text = `${from > 0 ? "…" : ""}${cut}${from + longestExcerpt < line.length ? "…" : ""}`;
  return {
    text: text.replace(/\p{Cc}/gu, (c) => (c === "\t" ? c : "·")),
    column: column - from + (from > 0 ? 1 : 0),
  };
}

/** The exit status that an error stands for. */
export function exitStatus(error: unknown): number {
  if (error instanceof WhittleError) return error.status;
  return isSystemError(error) ? 3 : 4;
}

/** The same as JSON, for `--progress json`. */
export function errorJson(error: unknown): Record<string, unknown> {
  if (!(error instanceof WhittleError)) {
    return { code: "INTERNAL", message: redact(error instanceof Error ? error.message : String(error)) };
  }
  return {
    code: error.code,
    message: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.at === undefined ? {} : { at: error.at }),
  };
}

function renderForeign(error: unknown, p: Paint): string {
  const text = redact(error instanceof Error ? error.message : String(error));
  const message =
    isSystemError(error) || text.startsWith("Internal error:") ? text : `Internal error: ${text}`;
  return `${p.red("whittle:")} ${message}\n${p.cyan("hint:")} WHITTLE_DEBUG=1 prints where it happened\n`;
}
