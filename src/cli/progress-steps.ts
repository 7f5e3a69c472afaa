import type { ProgressEvent } from "../io/index.ts";
import { formatDuration } from "./format.ts";
import { type Paint, paint, printable } from "./paint.ts";

interface Step {
  readonly number: number;
  readonly since: number;
}

/**
 * Words the steps of a Dockerfile as BuildKit's plain progress does: `#5 [build 2/4] RUN make` when one starts,
 * `#5 0.31 …` for what it prints, and `#5 DONE 0.4s`, `CACHED` or `ERROR` in the end. Steps run side by side, and the
 * number tells whose line it is.
 */
export class NumberedSteps {
  readonly #steps = new Map<string, Step>();
  readonly #paint: Paint;
  #count = 0;

  constructor(colour: boolean) {
    this.#paint = paint(colour);
  }

  /** What an event leaves to be said; undefined when it is not one of such a step. */
  follow(event: ProgressEvent): string | undefined {
    if (event.kind === "warning") return undefined;
    if (event.kind === "start" && event.label.startsWith("[")) return this.#start(event.id, event.label);
    const step = this.#steps.get(event.id);
    if (step === undefined) return undefined;
    if (event.kind === "log") return this.#line(step, `${elapsed(step)} ${printable(event.line)}`);
    if (event.kind !== "done") return "";
    this.#steps.delete(event.id);
    return this.#line(step, this.#ending(step, event.outcome));
  }

  #start(id: string, label: string): string {
    this.#count++;
    const step: Step = { number: this.#count, since: performance.now() };
    this.#steps.set(id, step);
    return this.#line(step, printable(label));
  }

  #line({ number }: Step, text: string): string {
    return `${this.#paint.dim(`#${number}`)} ${text}\n`;
  }

  #ending(step: Step, outcome: Extract<ProgressEvent, { kind: "done" }>["outcome"]): string {
    switch (outcome) {
      case "cached":
        return this.#paint.green("CACHED");
      case "failed":
        return this.#paint.red("ERROR");
      case "cancelled":
        return "CANCELED";
      default:
        return `${this.#paint.green("DONE")} ${formatDuration(performance.now() - step.since)}`;
    }
  }
}

function elapsed({ since }: Step): string {
  return ((performance.now() - since) / 1000).toFixed(2);
}
