import type { Solver, Step } from "../build/index.ts";
import type { PlatformGraph } from "../recipe/index.ts";

/** The step that stands for all there is to do for a platform. */
export function endOf(graph: PlatformGraph): Step {
  return graph.reasons ?? graph.image;
}

// While platforms wait for the disk or for the compressor, others are carved, one after the other; each takes a few
// megabytes, and what takes many (indexes, unpacking) takes turns.
const platformsAtOnce = 12;

/**
 * Solves the platforms of an image, a dozen at a time. One that fails does not stop the others: which failure is
 * shown must not depend on who is faster.
 *
 * @throws the failure of the first platform, in order, that has one
 */
export async function solvePlatforms(solver: Solver, platforms: readonly PlatformGraph[]): Promise<void> {
  const results: PromiseSettledResult<unknown>[] = [];
  const queue = platforms.entries();
  const lane = async (): Promise<void> => {
    for (const [index, graph] of queue) {
      [results[index]] = await Promise.allSettled([solver.solve(endOf(graph))]);
    }
  };
  await Promise.all(Array.from({ length: platformsAtOnce }, lane));
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
