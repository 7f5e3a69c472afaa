import { spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";

// The built program, run as a person would run it, for scripts that show or check what it does.

/** The repository. */
export const root = join(import.meta.dirname, "..");

const program = join(root, "dist/whittle.js");

/** How a command ended and what it printed. */
export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the program in a directory (default: the repository) and keeps what it prints. A build takes minutes, so its
 * progress is shown where there is a terminal.
 */
export function attempt(words: readonly string[], directory = root, input?: string): Ended {
  const told = words[0] === "build" && process.stderr.isTTY ? "inherit" : "pipe";
  const done = spawnSync(process.execPath, [program, ...words], {
    cwd: directory,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    ...(input === undefined ? { stdio: ["ignore", "pipe", told] as const } : { input }),
  });
  return { status: done.status ?? 4, stdout: done.stdout ?? "", stderr: done.stderr ?? "" };
}

/**
 * Runs the program and returns its standard output.
 *
 * @throws Error with what it printed, when it fails
 */
export function whittle(words: readonly string[], directory = root): string {
  const ended = attempt(words, directory);
  if (ended.status === 0) return ended.stdout;
  throw new Error(`whittle ${words.join(" ")} ended with ${ended.status}\n${ended.stdout}${ended.stderr}`);
}

/** Runs the program with its output shown; ends this process where it fails. */
export function show(words: readonly string[]): void {
  const done = spawnSync(process.execPath, [program, ...words], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (done.status !== 0) {
    process.stderr.write(`whittle ${words.join(" ")} ended with ${done.status ?? done.signal}\n`);
    process.exit(done.status ?? 4);
  }
}

/** A port of the loopback interface that nothing listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Prints a line. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
