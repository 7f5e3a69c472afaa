import { type SpawnOptions, spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const root = join(import.meta.dirname, "..");
/** The bundled program, as people run it. */
export const program = join(root, "dist/whittle.js");
/** The example that the main job is about. */
export const apiSimulator = join(root, "examples/api-simulator");

/** What a finished command left. */
export interface Finished {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command under way. */
export interface Running {
  readonly pid: number | undefined;
  kill(signal: NodeJS.Signals): void;
  readonly finished: Promise<Finished>;
}

/** Starts a command; its output is kept. */
export function start(words: readonly [string, ...string[]], options: SpawnOptions = {}): Running {
  const [command, ...rest] = words;
  const child = spawn(command, rest, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
  return { pid: child.pid, kill: (signal) => void child.kill(signal), finished };
}

/** Runs a command to its end. */
export function run(words: readonly [string, ...string[]], options?: SpawnOptions): Promise<Finished> {
  return start(words, options).finished;
}

/** Runs whittle to its end with a store of its own; the download cache is the machine's. */
export function whittle(
  store: string,
  words: readonly string[],
  options: SpawnOptions = {},
): Promise<Finished> {
  return run([process.execPath, program, ...words], withStore(store, options));
}

/** Starts whittle with a store of its own. */
export function startWhittle(store: string, words: readonly string[], options: SpawnOptions = {}): Running {
  return start([process.execPath, program, ...words], withStore(store, options));
}

function withStore(store: string, options: SpawnOptions): SpawnOptions {
  return { ...options, env: { ...process.env, NO_COLOR: "1", ...options.env, WHITTLE_STORE: store } };
}

/** A temporary directory that anybody may enter. */
export function temporary(): string {
  return mkdtempSync(join(tmpdir(), "whittle-test-"));
}

/** A copy of the example without what builds leave beside it. */
export function copyExample(to: string): string {
  cpSync(apiSimulator, to, { recursive: true });
  rmSync(join(to, "whittle.lock"), { force: true });
  return to;
}
