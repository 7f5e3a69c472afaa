import {
  type Digest,
  digestOfJson,
  noProgress,
  type Progress,
  WhittleError,
  type Work,
} from "../io/index.ts";
import type { Executor, ExecutorContext, Input, Result } from "./executor.ts";
import { type Json, type Outcome, type Step, stepsOf } from "./graph.ts";
import type { Asked, OutcomeCache } from "./outcome-cache.ts";
import { isDamage, lostBelow, OutcomeLost } from "./outcome-lost.ts";
import { settle, together } from "./settle.ts";
import type { Solved } from "./solved.ts";

export interface SolverOptions extends Work {
  readonly executors: readonly Executor[];
  readonly cache: OutcomeCache;
  /** Run every step again, whatever the cache holds; results are still kept. */
  readonly noCache?: boolean;
}

type Found = Result & { readonly fromCache: boolean };

/**
 * Solves graphs: inputs first and side by side, each step once per solver however many ask for it, nothing run
 * whose key is known. It knows no kind of step.
 */
export class Solver {
  readonly #executors: ReadonlyMap<string, Executor>;
  readonly #options: SolverOptions;
  readonly #solved = new Map<Step, Promise<Solved>>();
  readonly #byKey = new Map<Digest, Promise<Found>>();
  readonly #keys = new Map<Step, Digest>();
  readonly #dependents = new Map<Step, Set<Step>>();
  /** Keys whose outcomes are not believed any more. */
  readonly #lost = new Set<Digest>();
  /** Outcomes that are known and not yet kept. */
  readonly #settling = new Set<Promise<unknown>>();

  constructor(options: SolverOptions) {
    this.#options = options;
    this.#executors = new Map(options.executors.map((executor) => [executor.kind, executor]));
  }

  /**
   * Solves one step and everything it stands on.
   *
   * @throws what the executor throws; `INTERRUPTED` when the signal fires
   */
  async solve(step: Step): Promise<Solved> {
    if (!this.#solved.has(step)) this.#note(step);
    try {
      for (;;) {
        try {
          const solved = await this.#once(step);
          await solved.settled;
          return solved;
        } catch (error) {
          if (!(error instanceof OutcomeLost)) throw error;
          for (const key of error.keys) this.#forget(key);
        }
      }
    } finally {
      // Also when something else has failed, nothing goes on behind the back of who asked.
      await Promise.allSettled(this.#settling);
    }
  }

  /** Notes what stands on what. */
  #note(end: Step): void {
    for (const step of stepsOf([end])) {
      for (const input of Object.values(step.inputs)) {
        const dependents = this.#dependents.get(input) ?? new Set();
        this.#dependents.set(input, dependents.add(step));
      }
    }
  }

  #contextOf(step: Step, key: Digest): ExecutorContext {
    const { progress, signal } = this.#options;
    return { key, progress, signal, dependents: [...(this.#dependents.get(step) ?? [])] };
  }

  /** Every step of those that were solved, with its key and outcome, inputs first. */
  async *solved(): AsyncGenerator<Solved & { readonly executor: Executor }, void, undefined> {
    for (const step of stepsOf([...this.#solved.keys()])) {
      const executor = this.#executors.get(step.kind);
      const solved = await this.#solved.get(step);
      if (executor !== undefined && solved !== undefined) yield { ...solved, executor };
    }
  }

  /** Runs a step anew whose outcome was lost, and everything that stands on it where it comes to something else. */
  #forget(key: Digest): void {
    if (this.#lost.has(key)) return;
    this.#lost.add(key);
    this.#byKey.delete(key);
    for (const step of this.#solved.keys()) {
      for (const below of stepsOf([step])) {
        if (this.#keys.get(below) !== key) continue;
        this.#solved.delete(step);
        break;
      }
    }
  }

  #once(step: Step): Promise<Solved> {
    let solved = this.#solved.get(step);
    if (solved === undefined) {
      const fresh = this.#solve(step);
      this.#solved.set(step, fresh);
      // Once what it stands on is there again, it is tried again.
      fresh.catch((error: unknown) => {
        if (error instanceof OutcomeLost && this.#solved.get(step) === fresh) this.#solved.delete(step);
      });
      solved = fresh;
    }
    return solved;
  }

  async #solve(step: Step): Promise<Solved> {
    const executor = this.#executors.get(step.kind);
    if (executor === undefined)
      throw new Error(`Internal error: no executor for steps of kind "${step.kind}"`);
    const names = Object.keys(step.inputs);
    const results = await settle(Object.values(step.inputs).map((input) => this.#once(input)));
    this.#check();
    const inputs: Record<string, Solved> = {};
    for (const [index, name] of names.entries()) {
      const result = results[index];
      if (result !== undefined) inputs[name] = result;
    }
    const key = stepKey(executor, step, inputs);
    this.#keys.set(step, key);
    let running = this.#byKey.get(key);
    if (running === undefined) {
      running = this.#outcome(executor, step, inputs, key);
      this.#byKey.set(key, running);
    }
    const outcome = await running;
    const settled = together([...results, outcome].map((one) => one.settled));
    let value: Promise<unknown> | undefined =
      outcome.value === undefined ? undefined : Promise.resolve(outcome.value);
    return {
      step,
      key,
      digest: outcome.digest,
      record: outcome.record,
      ...(outcome.blobs === undefined ? {} : { blobs: outcome.blobs }),
      ...(settled === undefined ? {} : { settled }),
      fromCache: outcome.fromCache,
      inputs,
      bring: async () => (await this.#options.cache.bring?.(outcome)) !== false,
      value: <V>(): Promise<V> => {
        value ??= this.#load(executor, step, outcome, inputs, this.#contextOf(step, key));
        return value as Promise<V>;
      },
    };
  }

  async #load(
    executor: Executor,
    step: Step,
    outcome: Found,
    inputs: Readonly<Record<string, Solved>>,
    context: ExecutorContext,
  ): Promise<unknown> {
    if (executor.load === undefined) return outcome.record;
    const believed = executor.lazy === true && outcome.fromCache;
    if (believed && (await this.#options.cache.bring?.(outcome)) === false) {
      const isLazy = ({ kind }: Step): boolean => this.#executors.get(kind)?.lazy === true;
      throw new OutcomeLost([context.key, ...(await lostBelow(inputs, isLazy))]);
    }
    try {
      return await executor.load(step, outcome, inputs, context);
    } catch (error) {
      if (!believed || outcome.blobs === undefined || !isDamage(error)) throw error;
      const text = `what is known of ${step.label ?? "a step"} is of no use: ${error.message}`;
      this.#options.progress({ kind: "warning", text });
      throw new OutcomeLost([context.key]);
    }
  }

  async #known(executor: Executor, asked: Asked): Promise<Outcome | undefined> {
    const { cache, noCache } = this.#options;
    const { step, key } = asked;
    if (!executor.cached || noCache === true || step.fresh === true || this.#lost.has(key)) return undefined;
    const known = (await cache.get(key)) ?? (await this.#searched(asked));
    if (known === undefined || executor.lazy === true) return known;
    return (await cache.bring?.(known)) === false ? undefined : known;
  }

  async #searched(asked: Asked): Promise<Outcome | undefined> {
    const { cache } = this.#options;
    const found = await cache.search?.(asked);
    if (found !== undefined) await cache.set(asked.key, found);
    return found;
  }

  async #outcome(
    executor: Executor,
    step: Step,
    inputs: Readonly<Record<string, Input>>,
    key: Digest,
  ): Promise<Found> {
    const { cache, progress, signal } = this.#options;
    const platform = step.platform === undefined ? {} : { platform: step.platform };
    const label = step.label ?? "";
    const tell: Progress = step.label === undefined ? noProgress : progress;
    const known = await this.#known(executor, { step, key, inputs }).catch((error: unknown) => {
      if (error instanceof OutcomeLost) this.#byKey.delete(key);
      throw error;
    });
    if (known !== undefined) {
      tell({ kind: "start", id: key, label, ...platform });
      tell({ kind: "done", id: key, outcome: "cached" });
      return { ...known, fromCache: true };
    }
    tell({ kind: "start", id: key, label, ...platform });
    const failed = (error: unknown): never => {
      const cancelled = signal.aborted || error instanceof OutcomeLost;
      tell({ kind: "done", id: key, outcome: cancelled ? "cancelled" : "failed" });
      throw error;
    };
    try {
      const context = this.#contextOf(step, key);
      // Those that are run in every build say nothing of what follows.
      if (executor.cached) this.#expect(context.dependents);
      const { settled, ...outcome } = await executor.run(step, inputs, context);
      this.#check();
      const keep = async (): Promise<void> => {
        if (executor.cached) {
          const { digest, record, blobs } = outcome;
          await cache.set(key, { digest, record, ...(blobs === undefined ? {} : { blobs }) });
        }
        tell({ kind: "done", id: key, outcome: "done" });
      };
      const found = { ...outcome, fromCache: !executor.cached };
      if (settled === undefined) {
        await keep();
        return found;
      }
      const settling = settled.then(keep).catch(failed);
      this.#settling.add(settling);
      const gone = (): unknown => this.#settling.delete(settling);
      settling.then(gone, gone);
      return { ...found, settled: settling };
    } catch (error) {
      if (error instanceof OutcomeLost) this.#byKey.delete(key);
      return failed(error);
    }
  }

  #expect(steps: Iterable<Step>): void {
    const { progress, signal } = this.#options;
    for (const step of steps) {
      const executor = this.#executors.get(step.kind);
      executor?.expect?.(step, { progress, signal });
      // It does not take long, so what stands on it follows as soon.
      if (executor?.cached === false) this.#expect(this.#dependents.get(step) ?? []);
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
