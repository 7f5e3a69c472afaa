import type { ProgressEvent } from "../io/index.ts";
import { formatBytes, formatDuration } from "./format.ts";
import { paint, printable } from "./paint.ts";

type Done = Extract<ProgressEvent, { kind: "done" }>;

/** Something under way: a task, or many alike that are shown as one. */
export interface Task {
  readonly label: string;
  readonly platform: string | undefined;
  readonly since: number;
  bytes: number;
  totalBytes: number | undefined;
}

/** Tasks that their emitter calls alike ("download packages (amd64)"). */
interface Group extends Task {
  running: number;
  done: number;
  until: number;
  allCached: boolean;
}

interface Member {
  readonly task: Task;
  readonly group: Group | undefined;
}

/** Follows the events of tasks and words them as lines; what both views have in common. */
export class Tasks {
  readonly #members = new Map<string, Member>();
  readonly #groups = new Map<string, Group>();

  /** Takes an event in; what it leaves to be said, if anything. */
  follow(event: ProgressEvent, colour: boolean): string {
    switch (event.kind) {
      case "start":
        this.#start(event);
        return "";
      case "bytes":
        this.#count(event);
        return "";
      case "done":
        return this.#finish(event, colour);
      default:
        return "";
    }
  }

  /** What is under way, oldest first; a group stands for its members. */
  live(): Task[] {
    const alone = [...this.#members.values()].flatMap(({ task, group }) =>
      group === undefined ? [task] : [],
    );
    const groups = [...this.#groups.values()].filter(({ running }) => running > 0);
    return [...alone, ...groups].sort((a, b) => a.since - b.since);
  }

  /** Lines of the groups in which nothing is under way any more. */
  finishedGroups(colour: boolean): string {
    let text = "";
    for (const [name, group] of this.#groups) {
      if (group.running > 0) continue;
      this.#groups.delete(name);
      if (group.done === 0) continue;
      const p = paint(colour);
      const time = group.allCached ? " cached" : ` ${formatDuration(group.until - group.since)}`;
      const mark = p.green(group.allCached ? marks.cached : marks.done);
      text += `${mark} ${wording(group)}${rate(group, group.until)}${p.dim(time)}\n`;
    }
    return text;
  }

  #start(event: Extract<ProgressEvent, { kind: "start" }>): void {
    const since = performance.now();
    const { label, platform, totalBytes } = event;
    const task: Task = { label, platform, since, bytes: 0, totalBytes };
    let group: Group | undefined;
    if (event.group !== undefined) {
      const fresh = { bytes: 0, totalBytes: undefined, running: 0, done: 0, until: since, allCached: true };
      group = this.#groups.get(event.group) ?? { label: event.group, platform, since, ...fresh };
      group.running++;
      this.#groups.set(event.group, group);
    }
    this.#members.set(event.id, { task, group });
  }

  #count(event: Extract<ProgressEvent, { kind: "bytes" }>): void {
    const member = this.#members.get(event.id);
    if (member === undefined) return;
    if (member.group !== undefined) member.group.bytes += event.bytes - member.task.bytes;
    member.task.bytes = event.bytes;
    member.task.totalBytes = event.totalBytes ?? member.task.totalBytes;
  }

  #finish(event: Done, colour: boolean): string {
    const member = this.#members.get(event.id);
    if (member === undefined) return "";
    this.#members.delete(event.id);
    const { task, group } = member;
    if (group === undefined) return this.finishedGroups(colour) + doneLine(task, event, colour);
    group.running--;
    group.until = performance.now();
    if (event.outcome === "failed") return doneLine(task, event, colour);
    if (event.outcome === "cancelled") return "";
    group.done++;
    group.allCached &&= event.outcome === "cached";
    return "";
  }
}

/** One line for something under way, without colours and not yet cut to the terminal's width. */
export function liveLine(task: Task): string {
  const share = task.totalBytes ? ` ${Math.floor((100 * task.bytes) / task.totalBytes)}%` : "";
  const platform = task.platform === undefined ? "" : `${task.platform} `;
  return `${platform}${wording(task)}${rate(task, performance.now())}${share}`;
}

function wording(task: Task | Group): string {
  const count = "done" in task ? `: ${task.done}` : "";
  return `${printable(task.label)}${count}`;
}

function rate(task: Task, now: number): string {
  const elapsed = now - task.since;
  if (task.bytes === 0) return "";
  const perSecond = elapsed > 50 ? `, ${formatBytes((task.bytes * 1000) / elapsed)}/s` : "";
  return ` ${formatBytes(task.bytes)}${perSecond}`;
}

const marks = { done: "✓", cached: "=", failed: "✗", cancelled: "–" } as const;

/** One finished task as a line. */
function doneLine(task: Task, event: Done, colour: boolean): string {
  const p = paint(colour);
  const now = performance.now();
  const mark = event.outcome === "failed" ? p.red(marks.failed) : p.green(marks[event.outcome]);
  const platform = task.platform === undefined ? "" : p.dim(` ${task.platform}`);
  const detail = event.detail === undefined ? "" : ` ${printable(event.detail)}`;
  const time = event.outcome === "cached" ? " cached" : ` ${formatDuration(now - task.since)}`;
  return `${mark}${platform} ${printable(task.label)}${detail}${rate(task, now)}${p.dim(time)}\n`;
}
