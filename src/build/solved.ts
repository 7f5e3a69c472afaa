import type { Digest } from "../io/index.ts";
import type { Outcome, Step } from "./graph.ts";

/** A solved step. */
export interface Solved extends Outcome {
  readonly step: Step;
  readonly key: Digest;
  /** Whether nothing had to be run for it. */
  readonly fromCache: boolean;
  /** What it was made of. */
  readonly inputs: Readonly<Record<string, Solved>>;
  value<V>(): Promise<V>;
  /** Brings the blobs that it speaks of within reach; false when that is impossible. */
  bring(): Promise<boolean>;
  /** Resolves when it and all that it stands on is kept. */
  readonly settled?: Promise<unknown>;
}
