import type { Progress } from "../io/index.ts";
import { paint, printable } from "./paint.ts";
import { NumberedSteps } from "./progress-steps.ts";
import { liveLine, Tasks } from "./progress-tasks.ts";

/** How progress is shown. `auto` is `tty` on a terminal and `plain` elsewhere. */
export type ProgressMode = "auto" | "plain" | "tty" | "json" | "quiet";

export const progressModes: readonly ProgressMode[] = ["auto", "plain", "tty", "json", "quiet"];

/** What shows progress; `stop` takes away whatever is only for the moment. */
export interface ProgressView {
  readonly progress: Progress;
  stop(): void;
}

interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Chooses and starts the view of a mode. */
export function progressView(mode: ProgressMode, output: Output, colour: boolean): ProgressView {
  switch (mode) {
    case "quiet":
      return { progress: warningsOnly(output, colour), stop: () => undefined };
    case "json":
      return { progress: (event) => void output.write(`${JSON.stringify(event)}\n`), stop: () => undefined };
    case "tty":
      return terminalView(output, colour);
    case "plain":
      return plainView(output, colour);
    default:
      return output.isTTY === true ? terminalView(output, colour) : plainView(output, colour);
  }
}

function warningsOnly(output: Output, colour: boolean): Progress {
  return (event) => {
    if (event.kind === "warning" && event.advice !== true) output.write(warningLine(event.text, colour));
  };
}

function warningLine(text: string, colour: boolean): string {
  return `${paint(colour).yellow("warning:")} ${printable(text)}\n`;
}

/** One line per finished step; those of a Dockerfile are numbered, and so is what they print. */
function plainView(output: Output, colour: boolean): ProgressView {
  const tasks = new Tasks();
  const steps = new NumberedSteps(colour);
  const say = (text: string): void => {
    if (text !== "") output.write(text);
  };
  return {
    progress(event) {
      const step = steps.follow(event);
      if (step !== undefined) say(step);
      else if (event.kind === "warning") say(warningLine(event.text, colour));
      else if (event.kind === "log") say(`${printable(event.line)}\n`);
      else say(tasks.follow(event, colour));
    },
    stop: () => say(tasks.finishedGroups(colour)),
  };
}

const mostLiveLines = 8;
const drawEvery = 100;

/** Finished steps scroll by; those under way stand below and are redrawn, each change in one write. */
function terminalView(output: Output, colour: boolean): ProgressView {
  const p = paint(colour);
  const tasks = new Tasks();
  let drawn: string[] = [];
  const erased = (): string => (drawn.length > 0 ? `\u001b[${drawn.length}A\u001b[0J` : "");
  const width = (): number => Math.max(20, (output.columns ?? 80) - 1);
  const lines = (): string[] =>
    tasks
      .live()
      .slice(0, mostLiveLines)
      .map((task) => `${p.cyan("•")} ${[...liveLine(task)].slice(0, width() - 2).join("")}\n`);
  /** Puts text above the live lines, which stay where they are. */
  const show = (text: string, live: string[]): void => {
    if (text === "" && live.join("") === drawn.join("")) return;
    output.write(`${erased()}${text}${live.join("")}`);
    drawn = live;
  };
  const timer = setInterval(() => show("", lines()), drawEvery);
  timer.unref();
  return {
    progress(event) {
      if (event.kind === "warning") show(warningLine(event.text, colour), drawn);
      else if (event.kind === "log") show(`${p.dim(printable(event.line))}\n`, drawn);
      else {
        const text = tasks.follow(event, colour);
        if (text !== "") show(text, lines());
      }
    },
    stop() {
      clearInterval(timer);
      show(tasks.finishedGroups(colour), []);
    },
  };
}
