import { isSystemError, redact, WhittleError } from "../io/index.ts";
import { type Paint, paint } from "./paint.ts";

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
  if (at !== undefined) lines.push(p.bold(`${at.file}:${at.line}:${at.column}`));
  lines.push(`${p.red("whittle:")} ${error.message}`);
  if (at?.text !== undefined) {
    const number = String(at.line);
    const gutter = " ".repeat(number.length);
    const before = at.text.slice(0, at.column - 1).replace(/[^\t]/g, " ");
    lines.push(`${p.dim(`${number} |`)} ${at.text}`, `${p.dim(`${gutter} |`)} ${before}${p.red("^")}`);
  }
  if (error.hint !== undefined) lines.push(`${p.cyan("hint:")} ${error.hint}`);
  return `${lines.join("\n")}\n`;
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
