import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

/** One finished run of a command. */
export interface Run {
  /** Wall time in milliseconds. */
  readonly wall: number;
  /** Highest resident memory of the process itself in bytes, as the kernel counted it (`VmHWM`). */
  readonly peak: number;
}

/** A command with its words, run without a shell. */
export interface Command {
  readonly words: readonly [string, ...string[]];
  readonly environment?: Readonly<Record<string, string>>;
  readonly directory?: string;
}

/**
 * Runs a command to its end.
 *
 * @throws Error with the end of what it printed when it does not end with status 0
 */
export function measure(command: Command): Promise<Run> {
  const [program, ...words] = command.words;
  const since = performance.now();
  const child = spawn(program, words, {
    cwd: command.directory ?? process.cwd(),
    env: { ...process.env, ...command.environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let peak = 0;
  const look = setInterval(() => {
    peak = Math.max(peak, highWaterMark(child.pid));
  }, 5);
  const printed: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => printed.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => printed.push(chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", () => clearInterval(look));
    child.on("close", (status) => {
      const wall = performance.now() - since;
      if (status === 0) resolve({ wall, peak });
      else
        reject(
          new Error(
            `${command.words.join(" ")} ended with ${status}:\n${Buffer.concat(printed).toString().slice(-2000)}`,
          ),
        );
    });
  });
}

function highWaterMark(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
