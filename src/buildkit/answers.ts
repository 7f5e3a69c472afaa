/** Asks until there is an answer, and then no more. */
export function once<Value>(ask: () => Promise<Value>): () => Promise<Value> {
  const answers = new Answers<"", Value>();
  return () => answers.get("", ask);
}

/** Answers by what they are to; questions that failed are asked again. */
export class Answers<Key, Value> {
  readonly #answers = new Map<Key, Promise<Value>>();

  get(key: Key, ask: () => Promise<Value>): Promise<Value> {
    let answer = this.#answers.get(key);
    if (answer === undefined) {
      answer = ask();
      this.#answers.set(key, answer);
      answer.catch(() => this.#answers.delete(key));
    }
    return answer;
  }
}
