const mostLines = 20;

/** Splits output into lines and keeps the last ones. */
export class LastLines {
  #rest = "";
  readonly #last: string[] = [];

  take(chunk: Buffer): string[] {
    const lines = (this.#rest + chunk.toString("utf8")).split("\n");
    this.#rest = lines.pop() ?? "";
    this.#last.push(...lines);
    this.#last.splice(0, Math.max(0, this.#last.length - mostLines));
    return lines;
  }

  lines(): readonly string[] {
    return this.#rest === "" ? this.#last : [...this.#last, this.#rest];
  }
}
