import { type Digest, WhittleError } from "../io/index.ts";
import type { Step } from "./graph.ts";
import type { Solved } from "./solved.ts";

/** Outcomes were believed, and what their values are made of turned out to be gone. */
export class OutcomeLost extends Error {
  readonly keys: readonly Digest[];

  constructor(keys: readonly Digest[]) {
    super(`Internal error: the outcomes ${keys} cannot be loaded`);
    this.keys = keys;
  }
}

/**
 * The keys of those among the inputs of a step, and of what their values are made of, that are gone as well: who runs
 * the step would find that out of one after the other.
 *
 * @param isLazy - whether a step's outcome is believed while nobody wants its value
 */
export async function lostBelow(
  inputs: Readonly<Record<string, Solved>>,
  isLazy: (step: Step) => boolean,
): Promise<readonly Digest[]> {
  const seen = new Set<Solved>();
  const lost: Digest[] = [];
  const visit = async (solved: Solved): Promise<void> => {
    if (seen.has(solved)) return;
    seen.add(solved);
    const lazy = isLazy(solved.step);
    // A value with nothing of its own is made of its inputs'.
    if (!lazy && solved.record !== null) return;
    if (lazy && !(await solved.bring())) lost.push(solved.key);
    await Promise.all(Object.values(solved.inputs).map(visit));
  };
  await Promise.all(Object.values(inputs).map(visit));
  return lost;
}

/** Whether bytes were not what they were said to be, so that making them again helps. */
export function isDamage(error: unknown): error is WhittleError {
  return error instanceof WhittleError && damages.has(error.code);
}

const damages: ReadonlySet<string> = new Set(["DIGEST_MISMATCH", "ARCHIVE_CORRUPT", "ARCHIVE_HOSTILE"]);
