/** What a server wants to be shown (RFC 9110, section 11.6.1): a scheme and its parameters. */
export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const quoted = /"((?:[^"\\]|\\.)*)"/y;

/**
 * Reads a `WWW-Authenticate` header, which may hold several challenges, each with several parameters. What cannot be
 * read ends the list; a server's mistake in its last challenge does not hide the first.
 */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  let at = 0;
  const skip = (shape: RegExp): void => {
    shape.lastIndex = at;
    if (shape.test(header)) at = shape.lastIndex;
  };
  const take = (shape: RegExp): string | undefined => {
    shape.lastIndex = at;
    const found = shape.exec(header);
    if (found === null) return undefined;
    at = shape.lastIndex;
    return found[1] ?? found[0];
  };
  while (at < header.length) {
    skip(/[\s,]*/y);
    const word = take(token);
    if (word === undefined) break;
    skip(/\s*/y);
    const last = challenges.at(-1);
    if (header[at] !== "=" || last === undefined) {
      challenges.push({ scheme: word.toLowerCase(), parameters: {} });
      continue;
    }
    at += 1;
    skip(/\s*/y);
    const value = header[at] === '"' ? take(quoted)?.replace(/\\(.)/g, "$1") : take(token);
    if (value === undefined) break;
    last.parameters[word.toLowerCase()] = value;
  }
  return challenges;
}
