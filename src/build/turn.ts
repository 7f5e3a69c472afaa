import { slots } from "../http/index.ts";

const place = slots(1);

/**
 * Computes in turn with others. Carvings that are done by turns end one after the other, so that the first is written
 * while the second is carved; side by side they would all end late, at once. Between two of them there is time for
 * what the disk has done meanwhile: whoever is done with a platform and waited for that goes on first.
 */
export async function computing<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
  const giveBack = await place.acquire(signal);
  try {
    return await task();
  } finally {
    setImmediate(giveBack);
  }
}
