import { join } from "node:path";
import {
  heard,
  type LayerListener,
  type LayerThread,
  type LayerWriter,
  layerThread,
  layerWriter,
  Solver,
  standardExecutors,
} from "../build/index.ts";
import { cacheDirectory, deflatedBlocks, type Environment, type Work } from "../io/index.ts";
import type { Store } from "../store/index.ts";
import { type ImportedCache, outcomeCache } from "./outcomes.ts";

/** What any build is solved with. */
export interface SolverHome extends Work {
  readonly store: Store;
  readonly environment: Environment;
  readonly noCache?: boolean;
  /** Hears of layers while they are written. */
  readonly layers?: LayerListener;
}

/** The solver of a build: all executors over its store, with what earlier builds left in the cache. */
export function solverFor(
  options: SolverHome,
  imported: readonly ImportedCache[] = [],
  writeLayer: LayerWriter = writerFor(options),
  expectLayer?: () => void,
): Solver {
  const { layers } = options;
  const writer: LayerWriter = (from, compression, work, windows) =>
    heard(layers, (growing) => writeLayer(from, compression, work, windows, growing));
  return new Solver({
    executors: standardExecutors(
      options.store,
      cacheDirectory(options.environment),
      writer,
      layers,
      expectLayer,
    ),
    cache: outcomeCache(options.store, imported, options),
    progress: options.progress,
    signal: options.signal,
    ...(options.noCache === undefined ? {} : { noCache: options.noCache }),
  });
}

/** Gives `use` a solver, and the thread beside it that writes layers where there are several platforms. */
export async function withSolver<T>(
  options: SolverHome,
  use: (solver: Solver, thread: LayerThread) => Promise<T>,
  imported: readonly ImportedCache[] = [],
): Promise<T> {
  const thread = layerThread(
    { store: options.store.directory, deflated: deflatedDirectory(options) },
    writerFor(options),
  );
  try {
    return await use(solverFor(options, imported, thread.write, thread.expectOne), thread);
  } finally {
    await thread.end();
  }
}

function writerFor(options: SolverHome): LayerWriter {
  return layerWriter(options.store, deflatedBlocks(deflatedDirectory(options)));
}

/** Where what packages come to is kept for other stores. */
function deflatedDirectory({ environment }: SolverHome): string {
  return join(cacheDirectory(environment), "deflated");
}
