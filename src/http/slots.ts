/** Gives out a bounded number of places; who finds none waits in line. */
export interface Slots {
  /** Runs a task in a place of its own. */
  <T>(signal: AbortSignal, task: () => Promise<T>): Promise<T>;
  /** Waits for a place; the answer gives it back. */
  acquire(signal: AbortSignal): Promise<() => void>;
}

/** Makes `count` places. Waiting ends with the signal's reason when it is aborted. */
export function slots(count: number): Slots {
  let free = count;
  const waiting = new Set<() => void>();
  const release = (): void => {
    const [next] = waiting;
    if (next === undefined) {
      free += 1;
    } else {
      waiting.delete(next);
      next();
    }
  };
  const once = (): (() => void) => {
    let held = true;
    return () => {
      if (held) release();
      held = false;
    };
  };
  const acquire = (signal: AbortSignal): Promise<() => void> => {
    signal.throwIfAborted();
    if (free > 0) {
      free -= 1;
      return Promise.resolve(once());
    }
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        waiting.delete(start);
        reject(signal.reason);
      };
      const start = (): void => {
        signal.removeEventListener("abort", stop);
        resolve(once());
      };
      waiting.add(start);
      signal.addEventListener("abort", stop, { once: true });
    });
  };
  const run = async <T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> => {
    const done = await acquire(signal);
    try {
      return await task();
    } finally {
      done();
    }
  };
  return Object.assign(run, { acquire });
}
