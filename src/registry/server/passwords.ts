import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { startThread, WhittleError } from "../../io/index.ts";
import { Turns } from "./turns.ts";

/** What the thread is asked; it answers whether the password is the one that the hash was made of. */
export interface PasswordQuestion {
  readonly password: string;
  readonly hash: string;
}

const limits = { most: 1, waiting: 64, patience: 20_000 };

/**
 * Holds passwords against bcrypt hashes. That is slow on purpose, so it is done in a thread, one after the other: who
 * tries many passwords keeps those waiting who log in, and nobody who is known already.
 */
export class Passwords {
  readonly #turns = new Turns(limits, "too many log in at once");
  #thread: Worker | undefined;

  /** @throws Refused `TOOMANYREQUESTS` */
  isRight(password: string, hash: string): Promise<boolean> {
    return this.#turns.take(() => this.#ask({ password, hash }));
  }

  async #ask(question: PasswordQuestion): Promise<boolean> {
    this.#thread ??= this.#start();
    const thread = this.#thread;
    const done = new AbortController();
    // It keeps the program alive as long as somebody waits for it, and no longer.
    thread.ref();
    try {
      const answered = once(thread, "message", { signal: done.signal }) as Promise<[boolean]>;
      const ended = once(thread, "exit", { signal: done.signal }).then((): never => {
        throw new WhittleError("INTERNAL", "Internal error: the thread that looks at passwords ended");
      });
      thread.postMessage(question);
      const [right] = await Promise.race([answered, ended]);
      return right;
    } finally {
      done.abort();
      thread.unref();
    }
  }

  #start(): Worker {
    const thread = startThread(import.meta.url, "password-worker", {
      resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 32 },
    });
    // Who waits hears of it; whoever comes next starts another one.
    thread.on("error", () => undefined);
    thread.once("exit", () => {
      this.#thread = undefined;
    });
    return thread;
  }
}
