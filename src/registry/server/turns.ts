import { Refused } from "./refused.ts";

/** How many may be in, how many wait, and for how many milliseconds. */
export interface TurnLimits {
  readonly most: number;
  readonly waiting: number;
  readonly patience: number;
}

/** Lets a few in at a time; some more wait, in the order in which they came, and the others are to come again. */
export class Turns {
  #free: number;
  readonly #limits: TurnLimits;
  readonly #reason: string;
  readonly #waiting = new Set<() => void>();

  /** @param reason - what those are told who are to come again */
  constructor(limits: TurnLimits, reason = "too many are pushing at once") {
    this.#free = limits.most;
    this.#limits = limits;
    this.#reason = reason;
  }

  /** @throws Refused `TOOMANYREQUESTS` */
  async take<T>(act: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else if (this.#waiting.size >= this.#limits.waiting) throw this.#tooMany();
    else await this.#wait();
    try {
      return await act();
    } finally {
      this.#pass();
    }
  }

  /** Hands the place on to who has waited longest. */
  #pass(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free += 1;
    else next();
  }

  #wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        clearTimeout(tired);
        this.#waiting.delete(enter);
        resolve();
      };
      // Better told to come again than cut off as somebody who says nothing.
      const tired = setTimeout(() => {
        this.#waiting.delete(enter);
        reject(this.#tooMany());
      }, this.#limits.patience);
      this.#waiting.add(enter);
    });
  }

  #tooMany(): Refused {
    return new Refused("TOOMANYREQUESTS", this.#reason, { "retry-after": "1" });
  }
}
