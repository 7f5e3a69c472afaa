import { isSpace } from "./whitespace.ts";

/** Gathers an expanded text, once as a whole and once split into words. */
export class WordCollector {
  #text = "";
  #word = "";
  readonly #words: string[] = [];

  /** Adds text that is split at its white space. */
  addSplit(text: string): void {
    this.#text += text;
    let start = 0;
    for (let at = 0; at < text.length; at++) {
      if (!isSpace(text.charAt(at))) continue;
      this.#word += text.slice(start, at);
      this.#endWord();
      start = at + 1;
    }
    this.#word += text.slice(start);
  }

  /** Adds text that belongs to one word, whatever it holds. */
  addWhole(text: string): void {
    this.#text += text;
    this.#word += text;
  }

  finish(): { readonly text: string; readonly words: readonly string[] } {
    this.#endWord();
    return { text: this.#text, words: this.#words };
  }

  #endWord(): void {
    if (this.#word !== "") this.#words.push(this.#word);
    this.#word = "";
  }
}
