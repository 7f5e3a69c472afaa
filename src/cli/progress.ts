import type { Progress, ProgressEvent } from "../io/index.ts";
import { formatBytes, formatDuration } from "./format.ts";
import { paint, printable } from "./paint.ts";

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

interface Task {
  readonly label: string;
  readonly platform: string | undefined;
  readonly since: number;
  bytes: number;
  totalBytes: number | undefined;
}

function warningsOnly(output: Output, colour: boolean): Progress {
  return (event) => {
    if (event.kind === "warning") output.write(warningLine(event.text, colour));
  };
}

function warningLine(text: string, colour: boolean): string {
  return `${paint(colour).yellow("warning:")} ${printable(text)}\n`;
}

/** Follows events into tasks; the same for both views. */
function follow(tasks: Map<string, Task>, event: ProgressEvent): Task | undefined {
  if (event.kind === "start") {
    const task: Task = {
      label: event.label,
      platform: event.platform,
      since: performance.now(),
      bytes: 0,
      totalBytes: event.totalBytes,
    };
    tasks.set(event.id, task);
    return task;
  }
  if (event.kind === "warning") return undefined;
  const task = tasks.get(event.id);
  if (task !== undefined && event.kind === "bytes") {
    task.bytes = event.bytes;
    task.totalBytes = event.totalBytes ?? task.totalBytes;
  }
  return task;
}

function rate(task: Task): string {
  const elapsed = performance.now() - task.since;
  if (task.bytes === 0) return "";
  const perSecond = elapsed > 50 ? `, ${formatBytes((task.bytes * 1000) / elapsed)}/s` : "";
  return ` ${formatBytes(task.bytes)}${perSecond}`;
}

const marks = { done: "✓", cached: "=", failed: "✗", cancelled: "–" } as const;

/** One finished task as a line. */
function doneLine(task: Task, event: Extract<ProgressEvent, { kind: "done" }>, colour: boolean): string {
  const p = paint(colour);
  const mark = event.outcome === "failed" ? p.red(marks.failed) : p.green(marks[event.outcome]);
  const platform = task.platform === undefined ? "" : p.dim(` ${task.platform}`);
  const detail = event.detail === undefined ? "" : ` ${printable(event.detail)}`;
  const time =
    event.outcome === "cached"
      ? p.dim(" cached")
      : p.dim(` ${formatDuration(performance.now() - task.since)}`);
  return `${mark}${platform} ${printable(task.label)}${detail}${rate(task)}${time}\n`;
}

/** One line per finished step; lines of a step's own output as they come. */
function plainView(output: Output, colour: boolean): ProgressView {
  const tasks = new Map<string, Task>();
  return {
    progress(event) {
      if (event.kind === "warning") {
        output.write(warningLine(event.text, colour));
        return;
      }
      const task = follow(tasks, event);
      if (event.kind === "log") output.write(`${printable(event.line)}\n`);
      if (event.kind === "done" && task !== undefined) {
        tasks.delete(event.id);
        output.write(doneLine(task, event, colour));
      }
    },
    stop: () => undefined,
  };
}

const mostLiveLines = 8;

/** Finished steps scroll by; those under way stand below and are redrawn. */
function terminalView(output: Output, colour: boolean): ProgressView {
  const p = paint(colour);
  const tasks = new Map<string, Task>();
  let drawn = 0;
  const erase = (): void => {
    if (drawn > 0) output.write(`\u001b[${drawn}A\u001b[0J`);
    drawn = 0;
  };
  const draw = (): void => {
    erase();
    const width = Math.max(20, (output.columns ?? 80) - 1);
    const live = [...tasks.values()].slice(-mostLiveLines);
    for (const task of live) {
      const share = task.totalBytes ? ` ${Math.floor((100 * task.bytes) / task.totalBytes)}%` : "";
      const platform = task.platform === undefined ? "" : `${task.platform} `;
      const line = `${platform}${printable(task.label)}${rate(task)}${share}`;
      output.write(`${p.cyan("•")} ${[...line].slice(0, width - 2).join("")}\n`);
    }
    drawn = live.length;
  };
  const timer = setInterval(draw, 100);
  timer.unref();
  return {
    progress(event) {
      if (event.kind === "warning") {
        erase();
        output.write(warningLine(event.text, colour));
        return;
      }
      const task = follow(tasks, event);
      if (event.kind === "log") {
        erase();
        output.write(`${p.dim(printable(event.line))}\n`);
      }
      if (event.kind === "done" && task !== undefined) {
        tasks.delete(event.id);
        erase();
        output.write(doneLine(task, event, colour));
      }
    },
    stop() {
      clearInterval(timer);
      erase();
    },
  };
}
