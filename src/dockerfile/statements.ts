import type { SourceLocation } from "../io/index.ts";
import { heredocsOf } from "./heredoc.ts";
import type { Heredoc, Place } from "./instruction.ts";
import { invalid, mistake } from "./place.ts";
import { withoutLineEnd } from "./source-lines.ts";
import { parseStatement, type Statement, takesHeredocs } from "./statement.ts";
import { trimStart } from "./whitespace.ts";

/** Instructions that a Dockerfile may have. */
const statementLimit = 10_000;

/** Something that is allowed but questionable. */
export interface Warning {
  readonly rule: string;
  readonly message: string;
  readonly at: SourceLocation;
}

/** Reads the physical lines of a Dockerfile as statements: comments, continuation lines and heredocs are dealt with. */
export class StatementReader {
  /** Where statements end that have blank lines inside, which is where BuildKit tells of them. */
  readonly blanks: SourceLocation[] = [];
  readonly #lines: readonly string[];
  readonly #file: string;
  readonly #token: string;
  #position = 0;

  /**
   * @param lines - with their ends
   * @param token - the escape character
   */
  constructor(lines: readonly string[], file: string, token: string) {
    this.#lines = lines;
    this.#file = file;
    this.#token = token;
  }

  /** @throws WhittleError `DOCKERFILE_INVALID` */
  readAll(): Statement[] {
    const statements: Statement[] = [];
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (statements.length === statementLimit) {
        throw mistake(next.place, `it has more than ${statementLimit} instructions`);
      }
      statements.push(next);
    }
    if (statements.length === 0) {
      throw invalid(`Cannot build from ${this.#file}: file with no instructions, FROM is wanted`);
    }
    return statements;
  }

  #next(): Statement | undefined {
    const comments: string[] = [];
    let comment: string | undefined;
    while (this.#position < this.#lines.length) {
      const start = this.#position;
      const text = trimStart(this.#take());
      if (text === "" || text.startsWith("#")) {
        if (text !== "") comments.push(text.slice(1).trim());
        comment = describing(text.slice(1).trim());
        continue;
      }
      const continued = beforeContinuation(text, this.#token);
      const line = continued === undefined ? text : this.#continue(continued);
      const parsed = { ...parseStatement(line, this.#placeFrom(start), this.#token), comments };
      const statement = comment === undefined ? parsed : { ...parsed, comment };
      if (!takesHeredocs(statement)) return statement;
      const heredocs = this.#heredocs(statement);
      if (heredocs.length === 0) return statement;
      return { ...statement, heredocs, place: { ...statement.place, endLine: this.#position } };
    }
    return undefined;
  }

  /** A line with those that continue it; comments among them are left out, and so are blank ones. */
  #continue(first: string): string {
    const parts = [first];
    let hasBlank = false;
    let last = first;
    while (this.#position < this.#lines.length) {
      const text = this.#take();
      last = text;
      const trimmed = trimStart(text);
      if (trimmed.startsWith("#")) continue;
      if (trimmed === "") {
        hasBlank = true;
        continue;
      }
      const continued = beforeContinuation(text, this.#token);
      parts.push(continued ?? text);
      if (continued === undefined) break;
    }
    const line = parts.join("");
    if (hasBlank) {
      const column = last.length - trimStart(last).length + 1;
      this.blanks.push({ file: this.#file, line: this.#position, column, text: last.trimEnd() });
    }
    return line;
  }

  #heredocs(statement: Statement): Heredoc[] {
    return heredocsOf(statement.original).map((mark) => {
      const content: string[] = [];
      while (this.#position < this.#lines.length) {
        const line = this.#lines[this.#position] ?? "";
        const text = this.#take();
        if ((mark.chomp ? text.replace(/^\t+/, "") : text) === mark.name) {
          return { ...mark, content: content.join("") };
        }
        content.push(line);
      }
      throw mistake(statement.place, `unterminated heredoc, a line that holds only ${mark.name} is wanted`, {
        part: mark.name,
      });
    });
  }

  #take(): string {
    return withoutLineEnd(this.#lines[this.#position++] ?? "");
  }

  #placeFrom(start: number): Place {
    const lines = this.#lines.slice(start, this.#position).map(withoutLineEnd);
    return { file: this.#file, line: start + 1, endLine: this.#position, text: lines[0] ?? "", lines };
  }
}

/** What a comment says of the statement below it: nothing when it is empty or a directive. */
function describing(comment: string): string | undefined {
  return comment === "" || /^(?:syntax|escape|check)\s*=/i.test(comment) ? undefined : comment;
}

/**
 * A line without the escape character that continues it, or undefined when it is not continued: an escape that is
 * escaped itself does not count.
 */
function beforeContinuation(line: string, token: string): string | undefined {
  let end = line.length;
  while (end > 0 && (line[end - 1] === " " || line[end - 1] === "\t")) end--;
  if (line[end - 1] !== token || line[end - 2] === token) return undefined;
  return line.slice(0, end - 1);
}
