import { Solver, standardExecutors } from "../build/index.ts";
import { cacheDirectory } from "../io/index.ts";
import type { BuildOptions } from "./build.ts";
import { outcomeCache } from "./outcomes.ts";

/** The solver of a build: all executors over its store, with what earlier builds left in the cache. */
export function solverFor(options: BuildOptions): Solver {
  return new Solver({
    executors: standardExecutors(options.store, cacheDirectory(options.environment)),
    cache: outcomeCache(options.store),
    progress: options.progress,
    signal: options.signal,
    ...(options.noCache === undefined ? {} : { noCache: options.noCache }),
  });
}
