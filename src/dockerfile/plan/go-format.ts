// History lines are written as BuildKit's Go code formats its values: other tools read them.

/** A list as Go's `%q` prints it: `["a" "b"]`. */
export function quotedList(words: readonly string[]): string {
  return `[${words.map(quoted).join(" ")}]`;
}

/** A list as Go's `%v` prints it: `[a b]`. */
export function plainList(words: readonly string[]): string {
  return `[${words.join(" ")}]`;
}

const short: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

/** A text as Go's `%q` prints it (strconv.Quote). */
export function quoted(text: string): string {
  let result = "";
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (short[character] !== undefined) result += short[character];
    else if (code < 0x20 || code === 0x7f) result += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(character)) result += character;
    else if (code > 0xffff) result += `\\U${code.toString(16).padStart(8, "0")}`;
    else result += `\\u${code.toString(16).padStart(4, "0")}`;
  }
  return `"${result}"`;
}

/** A number as Go's `%q` prints it: the character of that code point in single quotes (strconv.QuoteRune). */
export function quotedCharacter(code: number): string {
  const character = String.fromCodePoint(code > 0x10ffff ? 0xfffd : code);
  if (character === '"') return `'"'`;
  return character === "'" ? "'\\''" : `'${quoted(character).slice(1, -1)}'`;
}

/** Nanoseconds as Go prints a `time.Duration`: `1m30s`, `500ms`, `0s`. */
export function duration(nanoseconds: number): string {
  if (nanoseconds === 0) return "0s";
  if (nanoseconds < 1e3) return `${nanoseconds}ns`;
  if (nanoseconds < 1e6) return `${nanoseconds / 1e3}µs`;
  if (nanoseconds < 1e9) return `${nanoseconds / 1e6}ms`;
  const seconds = Math.floor(nanoseconds / 1e9);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = `${(nanoseconds - (seconds - (seconds % 60)) * 1e9) / 1e9}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}
