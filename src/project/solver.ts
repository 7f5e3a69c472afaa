import { Solver, standardExecutors } from "../build/index.ts";
import { cacheDirectory, type Environment, type Work } from "../io/index.ts";
import type { Store } from "../store/index.ts";
import { type ImportedCache, outcomeCache } from "./outcomes.ts";

/** What any build is solved with. */
export interface SolverHome extends Work {
  readonly store: Store;
  readonly environment: Environment;
  readonly noCache?: boolean;
}

/** The solver of a build: all executors over its store, with what earlier builds left in the cache. */
export function solverFor(options: SolverHome, imported: readonly ImportedCache[] = []): Solver {
  return new Solver({
    executors: standardExecutors(options.store, cacheDirectory(options.environment)),
    cache: outcomeCache(options.store, imported),
    progress: options.progress,
    signal: options.signal,
    ...(options.noCache === undefined ? {} : { noCache: options.noCache }),
  });
}
