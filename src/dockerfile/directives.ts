import { invalid } from "./place.ts";
import { trimStart } from "./whitespace.ts";

/** What the comments at the very top of a Dockerfile tell the parser. */
export interface Directives {
  readonly escape: "\\" | "`";
  readonly syntax?: string;
  readonly check?: string;
}

const known = new Set(["syntax", "escape", "check"]);

/**
 * Reads the parser directives (`# escape=…`): they stand before everything else, comments and blank lines
 * included, and each at most once. A first line with `#!` may precede them.
 *
 * @throws WhittleError `DOCKERFILE_INVALID` for a directive given twice or an escape that is none
 */
export function readDirectives(lines: readonly string[], file: string): Directives {
  const found = new Map<string, string>();
  const start = lines[0]?.startsWith("#!") ? 1 : 0;
  for (const [index, line] of lines.slice(start).entries()) {
    const directive = directiveOf(line);
    if (directive === undefined) break;
    const at = { file, line: start + index + 1, column: 1, text: line.trimEnd() };
    const [name, value] = directive;
    if (found.has(name)) {
      throw invalid(`Cannot build from ${file}: only one ${name} parser directive can be used`, at);
    }
    if (name === "escape" && value !== "\\" && value !== "`") {
      throw invalid(`Cannot build from ${file}: invalid escape token '${value}' does not match \` or \\`, at);
    }
    found.set(name, value);
  }
  const syntax = found.get("syntax");
  const check = found.get("check");
  return {
    // Behind a `#!` the reference implementation looks for the other two only.
    escape: start === 0 && found.get("escape") === "`" ? "`" : "\\",
    ...(syntax === undefined ? {} : { syntax }),
    ...(check === undefined ? {} : { check }),
  };
}

function directiveOf(line: string): readonly [string, string] | undefined {
  const comment = trimStart(line);
  if (!comment.startsWith("#")) return undefined;
  const equals = comment.indexOf("=");
  const name = comment.slice(1, equals === -1 ? 1 : equals).trim();
  const value = comment.slice(equals + 1).trim();
  if (!/^[a-z][a-z0-9]*$/i.test(name) || value === "") return undefined;
  return known.has(name.toLowerCase()) ? [name.toLowerCase(), value] : undefined;
}
