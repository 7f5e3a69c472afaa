import { type ChildProcess, spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { constants } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { WhittleError } from "../io/index.ts";
import { runtimeFailure, startFailure } from "./failure.ts";
import { readOr } from "./machine.ts";
import { closeEnd, openOutputPipes } from "./output-pipe.ts";
import type { Prepared } from "./prepare.ts";
import { defaultPath } from "./process.ts";
import { identify, type ProcessIdentity } from "./state.ts";
import { underTerminal } from "./terminal.ts";

/** Where a container's standard streams go. */
export interface ContainerStreams {
  /** `inherit` gives it that of this process; `hold` keeps it open with nothing ever to read. */
  readonly stdin: "inherit" | "ignore" | "hold";
  readonly output: "inherit" | ((chunk: Buffer, stream: "stdout" | "stderr") => void);
}

/** One run of a container's program. */
export interface Life {
  readonly first: ProcessIdentity;
  /** Its exit status (128 + n after signal n), when the program and its output have ended. */
  readonly ended: Promise<number>;
}

/**
 * Starts a container's program, and answers when it runs.
 *
 * @throws WhittleError `CONTAINER_FAILED` when it cannot be started
 */
export async function beginLife(prepared: Prepared, streams: ContainerStreams): Promise<Life> {
  const { bundle, setup, state } = prepared;
  const { child, ended } = spawnProgram(prepared, streams);
  // Whoever waits for the start hears of a failure there.
  ended.catch(() => undefined);
  const first = await firstProcess(bundle.directory, child);
  if (first !== undefined) return { first, ended };
  const reason = runtimeFailure(join(bundle.directory, "runtime.log"));
  const status = await ended;
  throw startFailure(state.image, state, reason ?? `${setup.driver.name} ended with status ${status}`);
}

/** Takes away what one run leaves that the next one must not find. */
export async function forgetLife(directory: string): Promise<void> {
  const paths = ["pid", "runtime.log", "runtime", "owners"].map((name) => join(directory, name));
  await Promise.all(paths.map((path) => rm(path, { recursive: true, force: true })));
}

function spawnProgram(
  { bundle, setup, terminal }: Prepared,
  streams: ContainerStreams,
): { readonly child: ChildProcess; readonly ended: Promise<number> } {
  const { stdin, output } = streams;
  // An OCI runtime makes the container's terminal itself, but wants to stand in one.
  const wrap = terminal && (setup.driver.name === "plain" || !process.stdin.isTTY || output !== "inherit");
  const line = setup.driver.run(bundle);
  const [file = "", ...args] = wrap ? underTerminal(line) : line;
  const env = { PATH: defaultPath, TERM: process.env["TERM"], SHELL: "/bin/sh" };
  const pipes = output === "inherit" ? [] : openOutputPipes(bundle.directory, ["stdout", "stderr"]);
  const [out, err] = pipes;
  const child = spawn(file, args, {
    stdio: [stdin === "hold" ? "pipe" : stdin, out?.end ?? "inherit", err?.end ?? "inherit"],
    env,
    // What a terminal sends to everybody in it reaches the container through us alone.
    detached: !terminal,
  });
  const ends = [endOf(child), ...pipes.map(({ stream }) => endOfStream(stream))] as const;
  pipes.forEach(closeEnd);
  if (output !== "inherit") {
    out?.stream.on("data", (chunk: Buffer) => output(chunk, "stdout"));
    err?.stream.on("data", (chunk: Buffer) => output(chunk, "stderr"));
  }
  return { child, ended: Promise.all(ends).then(([status]) => status) };
}

/** Settles when nobody can write to a pipe any more. */
function endOfStream(stream: Socket): Promise<void> {
  return new Promise((resolve) => stream.once("error", () => undefined).once("close", () => resolve()));
}

/** Waits for the file that names the container's first process, which is written when that runs. */
async function firstProcess(directory: string, child: ChildProcess): Promise<ProcessIdentity | undefined> {
  const path = join(directory, "pid");
  let wait = 1;
  for (;;) {
    const over = child.exitCode !== null || child.signalCode !== null;
    const pid = Number.parseInt(await readFile(path, "utf8").catch(() => ""), 10);
    const failed = runtimeFailure(join(directory, "runtime.log")) !== undefined;
    if (pid > 0 && !startsStill(pid) && !failed) return identify(pid) ?? { pid, start: "ended" };
    if (over) return undefined;
    await delay(wait);
    wait = Math.min(wait + 1, 10);
  }
}

/** Whether a process is still our own program, about to become the container's. */
function startsStill(pid: number): boolean {
  return readOr(`/proc/${pid}/cmdline`, "").includes("plain-init.");
}

async function endOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      reject(
        new WhittleError("ENVIRONMENT", `Cannot start the container: ${error.message}`, { cause: error }),
      );
    });
    child.once("close", (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
