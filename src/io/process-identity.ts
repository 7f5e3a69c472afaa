import { readFileSync, readlinkSync } from "node:fs";

/** What tells a process from every other, also from a later one that got the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after the boot at which it started (proc(5), field 22 of `stat`). */
  readonly start: string;
  /** The first digits of the boot's random id. */
  readonly boot: string;
  /** The process number namespace: numbers of another one mean nothing here. */
  readonly namespace: string;
}

/** The identity of this process. */
export function thisProcess(): ProcessIdentity {
  own ??= {
    pid: process.pid,
    start: startOf(process.pid) ?? "0",
    boot:
      readOr("/proc/sys/kernel/random/boot_id")
        .replace(/[^0-9a-f]/g, "")
        .slice(0, 12) || "0",
    namespace: namespaceNumber(),
  };
  return own;
}

let own: ProcessIdentity | undefined;

/** Whether a process still runs; `"unknown"` when it cannot be seen from here. */
export function isAlive(identity: ProcessIdentity): boolean | "unknown" {
  const self = thisProcess();
  if (identity.boot !== self.boot) return false;
  if (identity.namespace !== self.namespace) return "unknown";
  const start = startOf(identity.pid);
  if (start !== undefined) return start === identity.start;
  if (self.start !== "0") return false;
  return isRunning(identity.pid);
}

/**
 * Whether there is a process of that number: for what is only named by a number, which a later process may have
 * taken. A signal that does nothing tells.
 */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function startOf(pid: number): string | undefined {
  const stat = readOr(`/proc/${pid}/stat`);
  // The second field is the command in parentheses and may hold anything, so count from its end.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // A zombie (state Z) holds nothing any more.
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

function namespaceNumber(): string {
  try {
    return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "0";
  } catch {
    return "0";
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
