/** A value shorter than this is not hidden: it would be found in everything. */
export const shortestValue = 4;
/** The same of one line of a value that has several. */
export const shortestLine = 8;
// Longer values are hidden line by line alone.
const longestWhole = 64 * 1024;
const shown = "***";

/**
 * Hides the values of secrets in what a program prints, however its output is cut into chunks. A value is found as it
 * is, and line by line, without the white space around it; one that is encoded, cut up or shorter than
 * {@link shortestValue} is not.
 */
export class SecretMask {
  readonly #values: readonly string[];
  readonly #expression: RegExp | undefined;
  readonly #longest: number;
  #rest = "";

  constructor(secrets: Iterable<Uint8Array>) {
    // One character a byte, so that what is no text is found as well.
    const values = new Set([...secrets].flatMap((secret) => parts(Buffer.from(secret).toString("latin1"))));
    // Where one value begins with another, the longer one is meant.
    this.#values = [...values].sort((a, b) => b.length - a.length);
    this.#longest = this.#values[0]?.length ?? 0;
    const sources = this.#values.map((value) => value.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
    this.#expression = sources.length === 0 ? undefined : new RegExp(sources.join("|"), "g");
  }

  /** Takes bytes as they come; what could be the beginning of a value is kept back until more is known. */
  take(chunk: Uint8Array): Buffer {
    if (this.#expression === undefined) return Buffer.from(chunk);
    const text = this.#rest + Buffer.from(chunk).toString("latin1");
    const end = this.#undecided(text);
    const told = text.slice(0, end).replace(this.#expression, shown);
    this.#rest = text.slice(end);
    return Buffer.from(told, "latin1");
  }

  /** What was kept back, when no more comes. */
  end(): Buffer {
    const rest = this.text(this.#rest);
    this.#rest = "";
    return Buffer.from(rest, "latin1");
  }

  /** Hides the values in a text that is whole. */
  text(text: string): string {
    if (this.#expression === undefined) return text;
    return Buffer.from(
      Buffer.from(text, "utf8").toString("latin1").replace(this.#expression, shown),
      "latin1",
    ).toString("utf8");
  }

  /** Where the first part of a text starts that more text could make a value, behind all values that are whole. */
  #undecided(text: string): number {
    let from = 0;
    for (const match of text.matchAll(this.#expression ?? /(?!)/g)) {
      // A longer value could begin before the end of this one.
      const open = this.#openBefore(text, from, match.index);
      if (open !== undefined) return open;
      from = match.index + match[0].length;
    }
    return this.#openBefore(text, from, text.length) ?? text.length;
  }

  #openBefore(text: string, from: number, to: number): number | undefined {
    const first = Math.max(from, text.length - this.#longest + 1);
    for (let at = first; at < to || (at === to && to < text.length); at++) {
      const length = text.length - at;
      if (this.#values.some((value) => value.length > length && value.startsWith(text.slice(at)))) return at;
    }
    return undefined;
  }
}

function parts(secret: string): string[] {
  const whole = secret.trim();
  const lines = whole.split(/\r?\n/).map((line) => line.trim());
  return [
    ...(whole.length >= shortestValue && whole.length <= longestWhole ? [whole] : []),
    ...(lines.length === 1 && whole.length <= longestWhole
      ? []
      : lines.filter((line) => line.length >= shortestLine)),
  ];
}
