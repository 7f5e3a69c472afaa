import {
  type Digest,
  digestOfJson,
  noProgress,
  type Progress,
  WhittleError,
  type Work,
} from "../io/index.ts";
import type { Executor, Input } from "./executor.ts";
import type { Json, Outcome, Step } from "./graph.ts";

/** Where outcomes of earlier builds are kept. */
export interface OutcomeCache {
  get(key: Digest): Promise<Outcome | undefined>;
  set(key: Digest, outcome: Outcome): Promise<void>;
}

export interface SolverOptions extends Work {
  readonly executors: readonly Executor[];
  readonly cache: OutcomeCache;
  /** Run every step again, whatever the cache holds; results are still kept. */
  readonly noCache?: boolean;
}

/** A solved step. */
export interface Solved extends Outcome {
  readonly step: Step;
  readonly key: Digest;
  /** Whether nothing had to be run for it. */
  readonly fromCache: boolean;
  /** What it was made of. */
  readonly inputs: Readonly<Record<string, Input>>;
  value<V>(): Promise<V>;
}

/**
 * Solves graphs: inputs first and side by side, each step once per solver however many ask for it, nothing run
 * whose key is known. It knows no kind of step.
 */
export class Solver {
  readonly #executors: ReadonlyMap<string, Executor>;
  readonly #options: SolverOptions;
  readonly #solved = new Map<Step, Promise<Solved>>();
  readonly #byKey = new Map<Digest, Promise<Outcome & { value?: unknown; fromCache: boolean }>>();

  constructor(options: SolverOptions) {
    this.#options = options;
    this.#executors = new Map(options.executors.map((executor) => [executor.kind, executor]));
  }

  /**
   * Solves one step and everything it stands on.
   *
   * @throws what the executor throws; `INTERRUPTED` when the signal fires
   */
  solve(step: Step): Promise<Solved> {
    let solved = this.#solved.get(step);
    if (solved === undefined) {
      solved = this.#solve(step);
      this.#solved.set(step, solved);
    }
    return solved;
  }

  async #solve(step: Step): Promise<Solved> {
    const executor = this.#executors.get(step.kind);
    if (executor === undefined)
      throw new Error(`Internal error: no executor for steps of kind "${step.kind}"`);
    const names = Object.keys(step.inputs);
    const results = await settle(Object.values(step.inputs).map((input) => this.solve(input)));
    this.#check();
    const inputs: Record<string, Input> = {};
    for (const [index, name] of names.entries()) {
      const result = results[index];
      if (result !== undefined) inputs[name] = result;
    }
    const key = stepKey(executor, step, inputs);
    const context = { key, progress: this.#options.progress, signal: this.#options.signal };
    let running = this.#byKey.get(key);
    if (running === undefined) {
      running = this.#outcome(executor, step, inputs, key);
      this.#byKey.set(key, running);
    }
    const outcome = await running;
    let value: Promise<unknown> | undefined =
      outcome.value === undefined ? undefined : Promise.resolve(outcome.value);
    return {
      step,
      key,
      digest: outcome.digest,
      record: outcome.record,
      ...(outcome.blobs === undefined ? {} : { blobs: outcome.blobs }),
      fromCache: outcome.fromCache,
      inputs,
      value: <V>(): Promise<V> => {
        value ??= executor.load?.(step, outcome, inputs, context) ?? Promise.resolve(outcome.record);
        return value as Promise<V>;
      },
    };
  }

  async #outcome(
    executor: Executor,
    step: Step,
    inputs: Readonly<Record<string, Input>>,
    key: Digest,
  ): Promise<Outcome & { value?: unknown; fromCache: boolean }> {
    const { cache, noCache, progress, signal } = this.#options;
    const platform = step.platform === undefined ? {} : { platform: step.platform };
    const label = step.label ?? "";
    const tell: Progress = step.label === undefined ? noProgress : progress;
    if (executor.cached && noCache !== true && step.fresh !== true) {
      const known = await cache.get(key);
      if (known !== undefined) {
        tell({ kind: "start", id: key, label, ...platform });
        tell({ kind: "done", id: key, outcome: "cached" });
        return { ...known, fromCache: true };
      }
    }
    tell({ kind: "start", id: key, label, ...platform });
    try {
      const outcome = await executor.run(step, inputs, { key, progress, signal });
      this.#check();
      if (executor.cached) {
        const { digest, record, blobs } = outcome;
        await cache.set(key, { digest, record, ...(blobs === undefined ? {} : { blobs }) });
      }
      tell({ kind: "done", id: key, outcome: "done" });
      return { ...outcome, fromCache: !executor.cached };
    } catch (error) {
      tell({ kind: "done", id: key, outcome: signal.aborted ? "cancelled" : "failed" });
      throw error;
    }
  }

  #check(): void {
    if (this.#options.signal.aborted) {
      throw new WhittleError(
        "INTERRUPTED",
        "Interrupted: nothing was left half-written, the next build goes on from here",
      );
    }
  }
}

/** The key of a step: its kind with the executor's version, its parameters, and the results of its inputs. */
function stepKey(executor: Executor, step: Step, inputs: Readonly<Record<string, Input>>): Digest {
  const digests: Record<string, Json> = {};
  for (const [name, input] of Object.entries(inputs)) digests[name] = input.digest;
  return digestOfJson({
    kind: step.kind,
    version: executor.version,
    parameters: step.parameters,
    inputs: digests,
  });
}

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
