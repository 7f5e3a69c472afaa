import type { Digest, Work } from "../io/index.ts";
import type { Json, Outcome, Step } from "./graph.ts";

/** The result of an input step, as an executor sees it. */
export interface Input {
  readonly step: Step;
  readonly digest: Digest;
  readonly record: Json;
  /** What it was made of. */
  readonly inputs: Readonly<Record<string, Input>>;
  /** The value itself, made from the record when it is not at hand. Asking twice makes it once. */
  value<V>(): Promise<V>;
  /** Who reads the blobs that its record names waits for this first; absent where they are there. */
  readonly settled?: Promise<unknown>;
}

/** What running a step came to and, where it is at hand, the value. */
export type Result = Outcome & {
  readonly value?: unknown;
  /**
   * Resolves when the blobs that it speaks of are there, where they are still on their way: what stands on the step
   * goes on meanwhile, but the outcome is not kept before.
   */
  readonly settled?: Promise<unknown>;
};

/** What an executor gets beside its step and inputs. */
export interface ExecutorContext extends Work {
  /** The step's key; a good result digest where the value has no cheaper one. */
  readonly key: Digest;
  /** The steps that stand on this one in this build: a part of their work may be done along the way. */
  readonly dependents: readonly Step[];
}

/** Knows how to do one kind of step. */
export interface Executor {
  readonly kind: string;
  /** Raised when the same parameters and inputs come to something else than before; part of every key. */
  readonly version: number;
  /** `false`: asked again in every build, because what it reads is outside the graph (a context, an archive). */
  readonly cached: boolean;
  /**
   * The blobs that an outcome speaks of are wanted for its value only: while nobody asks for that, they need not be
   * there.
   */
  readonly lazy?: boolean;
  /**
   * Is told of a step when one that it stands on, or with none but uncached ones between, is about to be run, so that
   * it will probably follow: what it needs in any case can be made meanwhile. Does nothing that matters when the step does not follow.
   */
  expect?(step: Step, work: Work): void;
  /** Does the work. */
  run(step: Step, inputs: Readonly<Record<string, Input>>, context: ExecutorContext): Promise<Result>;
  /** Makes the value again from an outcome that came from the cache. Absent for results that are records only. */
  load?(
    step: Step,
    outcome: Outcome,
    inputs: Readonly<Record<string, Input>>,
    context: ExecutorContext,
  ): Promise<unknown>;
}

/** Answers with a named input or fails with a defect: graphs are made by programs. */
export function inputOf(inputs: Readonly<Record<string, Input>>, name: string): Input {
  const input = inputs[name];
  if (input === undefined) throw new Error(`Internal error: a step has no input "${name}"`);
  return input;
}
