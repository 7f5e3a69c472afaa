import { WhittleError } from "../io/index.ts";

/**
 * Waits for all, then fails with the first failure in order: which of several errors is shown must not depend on
 * timing, and no promise may be left behind.
 */
export async function settle<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(promises);
  const failures = results
    .filter((result) => result.status === "rejected")
    .map((result) => result.reason as unknown);
  if (failures.length > 0) {
    throw (
      failures.find((reason) => !(reason instanceof WhittleError && reason.code === "INTERRUPTED")) ??
      failures[0]
    );
  }
  return results.map((result) => (result as PromiseFulfilledResult<T>).value);
}

/** Waits for all that there is to wait for; a failure is seen by who asks, and may be seen by nobody. */
export function together(promises: readonly (Promise<unknown> | undefined)[]): Promise<unknown> | undefined {
  const waiting = promises.filter((one) => one !== undefined);
  if (waiting.length === 0) return undefined;
  const all = Promise.all(waiting);
  all.catch(() => undefined);
  return all;
}
