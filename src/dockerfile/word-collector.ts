import { isSpace } from "./whitespace.ts";

/** Gathers an expanded text, once as a whole and once split into words. */
export class WordCollector {
  #text = "";
  #word = "";
  readonly #words: string[] = [];

  /** Adds text that is split at its white space. */
  addSplit(text: string): void {
    this.#text += text;
    for (const character of text) {
      if (!isSpace(character)) this.#word += character;
      else this.#endWord();
    }
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
