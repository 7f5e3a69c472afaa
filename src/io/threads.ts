import { dirname } from "node:path";
import type { ResourceLimits, Worker } from "node:worker_threads";

export interface ThreadOptions {
  /** What the thread finds as its `workerData`. */
  readonly data?: unknown;
  readonly resourceLimits?: ResourceLimits;
}

/**
 * Starts a thread of the program.
 *
 * @param beside - address of the module that the thread's own lies beside
 * @param name - of the thread's module, without its ending: run from source it is TypeScript; bundled, it is an
 *   entry of its own beside the chunk that holds `beside`
 */
export function startThread(beside: string, name: string, options: ThreadOptions = {}): Worker {
  // Loaded when there is work; the index of this folder is read by every command.
  const threads = process.getBuiltinModule("node:worker_threads");
  const { getCompileCacheDir } = process.getBuiltinModule("node:module");
  // Node's compile cache serves another thread only when its environment names it: the directory above the one that
  // this version of Node has in it.
  const cache = getCompileCacheDir();
  return new threads.Worker(new URL(`./${name}.${beside.endsWith(".ts") ? "ts" : "js"}`, beside), {
    workerData: options.data,
    // Flags of the main program (`--input-type`, `--eval`) mean nothing to a thread.
    execArgv: [],
    env: cache === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(cache) },
    ...(options.resourceLimits === undefined ? {} : { resourceLimits: options.resourceLimits }),
  });
}
