import { invalid } from "./place.ts";

/** Bytes that a Dockerfile may have: far beyond any that a person wrote. */
const sizeLimit = 4 * 1024 * 1024;

/** Bytes that one line may have, its end included (Go's `bufio.MaxScanTokenSize`, BuildKit's limit). */
const lineLimit = 64 * 1024;

/**
 * The lines of a source with their ends, so that heredocs keep theirs. A byte order mark is taken away; only line
 * feeds end a line.
 *
 * @throws WhittleError `DOCKERFILE_INVALID` when the source or one of its lines is too long
 */
export function sourceLines(source: string, file: string): string[] {
  if (Buffer.byteLength(source) > sizeLimit) {
    throw invalid(`Cannot build from ${file}: it is larger than ${sizeLimit} bytes`);
  }
  const text = source.startsWith("\uFEFF") ? source.slice(1) : source;
  const pieces = text.split("\n");
  const last = pieces.pop();
  const lines = pieces.map((piece) => `${piece}\n`);
  if (last !== undefined && last !== "") lines.push(last);
  for (const [index, line] of lines.entries()) {
    if (isTooLong(line)) {
      const at = { file, line: index + 1, column: 1, text: `${line.slice(0, 60)}…` };
      const message = `dockerfile line greater than max allowed size of ${lineLimit - 1}`;
      throw invalid(`Cannot build from ${file}: ${message}`, at);
    }
  }
  return lines;
}

function isTooLong(line: string): boolean {
  if (line.length * 3 < lineLimit) return false;
  return Buffer.byteLength(line) > (line.endsWith("\n") ? lineLimit : lineLimit - 1);
}

/** A line without its end. */
export function withoutLineEnd(line: string): string {
  let end = line.length;
  while (end > 0 && (line[end - 1] === "\n" || line[end - 1] === "\r")) end--;
  return line.slice(0, end);
}
