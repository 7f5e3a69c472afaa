import type { Digest } from "../io/index.ts";
import type { Input } from "./executor.ts";
import type { Outcome, Step } from "./graph.ts";

/** A step whose key nobody knows, and what it stands on. */
export interface Asked {
  readonly step: Step;
  readonly key: Digest;
  readonly inputs: Readonly<Record<string, Input>>;
}

/** Where outcomes of earlier builds are kept. */
export interface OutcomeCache {
  get(key: Digest): Promise<Outcome | undefined>;
  set(key: Digest, outcome: Outcome): Promise<void>;
  /** Brings the blobs that an outcome speaks of within reach (default: they are); false when that is impossible. */
  bring?(outcome: Outcome): Promise<boolean>;
  /**
   * Looks for a step where other names than keys are in use; asked when its key is not known. What is found is kept
   * under the key. Throws what the values of inputs throw.
   */
  search?(asked: Asked): Promise<Outcome | undefined>;
}
