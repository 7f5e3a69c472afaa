import { Refused } from "./refused.ts";

/** Lets a few in at a time; some more wait, in the order in which they came, and the others are to come again. */
export class Turns {
  #free: number;
  readonly #mostWaiting: number;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number, mostWaiting: number) {
    this.#free = most;
    this.#mostWaiting = mostWaiting;
  }

  /** @throws Refused `TOOMANYREQUESTS` */
  async take<T>(act: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else if (this.#waiting.length >= this.#mostWaiting) {
      throw new Refused("TOOMANYREQUESTS", "too many are pushing at once", { "retry-after": "1" });
    } else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await act();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
