/** Lets several tasks of one kind run side by side, and none of another kind meanwhile. */
export interface Alternating<Kind> {
  /**
   * Runs a task when none of another kind is running. Those of the present kind come first, whenever they ask, so that
   * kinds do not change often. Waiting ends with the signal's reason when it is aborted.
   */
  run<T>(kind: Kind, signal: AbortSignal, task: () => Promise<T>): Promise<T>;
}

interface Waiting<Kind> {
  readonly kind: Kind;
  readonly start: () => void;
}

/**
 * Tells kinds of work apart that take much memory each, so that what they take does not add up.
 *
 * @param settle - called between two kinds, to give back what the first one has left
 */
export function alternating<Kind>(settle: (before: Kind) => Promise<void>): Alternating<Kind> {
  const waiting = new Set<Waiting<Kind>>();
  let present: Kind | undefined;
  let running = 0;
  let settling = false;
  const startAll = (kind: Kind): void => {
    present = kind;
    for (const one of waiting) {
      if (one.kind !== kind) continue;
      waiting.delete(one);
      running += 1;
      one.start();
    }
  };
  const next = async (): Promise<void> => {
    const before = present;
    if (running > 0 || settling || before === undefined || waiting.size === 0) return;
    settling = true;
    await settle(before).catch(() => undefined);
    settling = false;
    const [first] = waiting;
    if (first !== undefined) startAll(first.kind);
  };
  const enter = (kind: Kind, signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        if (waiting.delete(one)) reject(signal.reason);
      };
      const start = (): void => {
        signal.removeEventListener("abort", stop);
        resolve();
      };
      const one = { kind, start };
      waiting.add(one);
      signal.addEventListener("abort", stop, { once: true });
      if (!settling && (present === undefined || present === kind)) startAll(kind);
      else void next();
    });
  };
  return {
    async run(kind, signal, task) {
      await enter(kind, signal);
      try {
        return await task();
      } finally {
        running -= 1;
        void next();
      }
    },
  };
}
