import type { Command } from "./measure.ts";

/** One contestant of a case: what is done before each run, outside the time, and what is timed. */
export interface Contestant {
  readonly name: string;
  prepare?(round: number): Promise<void>;
  readonly command: (round: number) => Command;
}

/** Something that is measured, by us and by the peers that can do it. */
export interface Case {
  readonly name: string;
  /** What is made before anybody's first round. */
  readonly make?: () => Promise<void>;
  /** The first is ours; ratios are ours divided by the other's. */
  readonly contestants: readonly Contestant[];
}
