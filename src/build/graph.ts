import type { Digest } from "../io/index.ts";

/** A JSON value: what parameters and cached records are made of. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

/**
 * A node of the build graph. It says what is to be done and with what, and holds nothing that depends on time,
 * host or path: two steps with equal kind, parameters and input results have the same key.
 */
export interface Step {
  /** Names the executor that runs it. */
  readonly kind: string;
  /** One line for a person: "carve nginx and 12 more packages"; a step without one is not shown. */
  readonly label?: string;
  /** The platform it belongs to, for display only. */
  readonly platform?: string;
  /** What the executor does and what the key is made of. */
  readonly parameters: Json;
  readonly inputs: Readonly<Record<string, Step>>;
  /**
   * What the executor needs to do its work but what must not change the key: an absolute path of a context, a
   * secret, a proxy.
   */
  readonly local?: unknown;
  /** Run it whatever is known of it; what it comes to is kept. */
  readonly fresh?: boolean;
}

/** What a step came to: kept in the cache under the step's key. */
export interface Outcome {
  /**
   * Identity of the result. Keys of later steps are made of it, so a step that ran again and came to the same
   * result stops the rebuilding there.
   */
  readonly digest: Digest;
  /** What is needed to make the value again, and what other steps read without making it. */
  readonly record: Json;
  /** Blobs of the store that the record speaks of; where one is gone, the record is void. */
  readonly blobs?: readonly Digest[];
}

/** Walks a graph from its ends; every step once, inputs first. */
export function* stepsOf(ends: Iterable<Step>): Generator<Step, void, undefined> {
  const seen = new Set<Step>();
  function* visit(step: Step): Generator<Step, void, undefined> {
    if (seen.has(step)) return;
    seen.add(step);
    for (const input of Object.values(step.inputs)) yield* visit(input);
    yield step;
  }
  for (const end of ends) yield* visit(end);
}
