import type { PatternStep } from "./ignore-syntax.ts";

/** States that are kept before the table starts anew. */
const stateLimit = 500;

/** Code points whose successors are kept: those of most alphabets. */
const tableLimit = 0x800;

interface State {
  /** Steps that may come next, as positions in the pattern; the position behind the last one accepts. */
  readonly positions: readonly number[];
  readonly accepts: boolean;
  /** By code point: most of those that occur are small numbers. */
  readonly next: (State | undefined)[];
}

/**
 * Matches paths against a pattern in one pass, in time linear in the path whatever the pattern: an automaton whose
 * states are made when a path first reaches them.
 */
export class PathAutomaton {
  readonly #steps: readonly PatternStep[];
  readonly #states = new Map<string, State>();
  #start: State;

  constructor(steps: readonly PatternStep[]) {
    this.#steps = steps;
    this.#start = this.#stateOf(this.#closure([0]));
  }

  /** Whether the whole path matches. */
  matches(path: string): boolean {
    return this.#run(path).accepts;
  }

  /** Whether a path that goes on from here could match. */
  couldContinue(start: string): boolean {
    return this.#run(start).positions.length > 0;
  }

  #run(path: string): State {
    if (this.#states.size > stateLimit) {
      this.#states.clear();
      this.#start = this.#stateOf(this.#closure([0]));
    }
    let state = this.#start;
    for (let at = 0; at < path.length && state.positions.length > 0; at++) {
      const code = path.codePointAt(at) ?? 0;
      state = state.next[code] ?? this.#after(state, code);
      if (code > 0xffff) at++;
    }
    return state;
  }

  #after(state: State, code: number): State {
    const next = this.#stateOf(this.#closure(this.#moved(state, String.fromCodePoint(code))));
    // A table with an entry far behind the others would be slow for all of them.
    if (code < tableLimit) state.next[code] = next;
    return next;
  }

  /*
   * Each step takes two positions: an even one where it starts, and the odd one behind it where "parts" is inside
   * the parts that it takes, waiting for their last slash.
   */
  #moved(state: State, character: string): number[] {
    return state.positions.flatMap((position) => {
      const step = this.#steps[position >> 1];
      switch (step?.kind) {
        case "one":
          return step.accepts(character) ? [position + 2] : [];
        case "run":
          return character === "/" ? [] : [position];
        case "all":
          return character === "\n" ? [] : [position];
        case "parts": {
          if (character === "\n") return [];
          const inside = position | 1;
          return character === "/" ? [inside, (position & ~1) + 2] : [inside];
        }
        default:
          return [];
      }
    });
  }

  /** What can be reached without taking a character. */
  #closure(positions: readonly number[]): number[] {
    const reached = new Set<number>();
    const waiting = [...positions];
    for (let position = waiting.pop(); position !== undefined; position = waiting.pop()) {
      if (reached.has(position)) continue;
      reached.add(position);
      const step = this.#steps[position >> 1];
      const mayBeEmpty = step !== undefined && step.kind !== "one" && (position & 1) === 0;
      if (mayBeEmpty) waiting.push(position + 2);
    }
    return [...reached].sort((a, b) => a - b);
  }

  #stateOf(positions: readonly number[]): State {
    const key = positions.join();
    let state = this.#states.get(key);
    if (state === undefined) {
      state = { positions, accepts: positions.includes(this.#steps.length * 2), next: [] };
      this.#states.set(key, state);
    }
    return state;
  }
}
