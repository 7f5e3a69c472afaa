import { spawn } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { type Environment, WhittleError } from "../io/index.ts";
import type { Account } from "./accounts.ts";
import { findAccount } from "./accounts.ts";
import { failureStatus, runtimeFailure } from "./failure.ts";
import { resolveInside } from "./inside.ts";
import { heldCapabilities, readOr } from "./machine.ts";
import { mergeEnvironment } from "./process.ts";
import { surveyDrivers } from "./runtimes.ts";
import { specProcess } from "./spec.ts";
import { type ContainerState, containerDirectory, isAlive } from "./state.ts";
import { underTerminal } from "./terminal.ts";

/** One more process for a running container. */
export interface ExecOptions {
  readonly args: readonly string[];
  /** The environment of this process (where the container's state is found). */
  readonly environment: Environment;
  /** `NAME=value` to set over the container's own. */
  readonly env?: readonly string[];
  readonly user?: string;
  readonly workingDirectory?: string;
  readonly terminal?: boolean;
  readonly stdin?: "inherit" | "ignore";
  readonly output: "inherit" | ((chunk: Buffer, stream: "stdout" | "stderr") => void);
  /** Kills the process when aborted. */
  readonly signal?: AbortSignal;
}

/**
 * Runs one more process in a running container, confined as the first one is.
 *
 * @returns its exit status; 126 and 127 when it could not be executed or was not found
 * @throws WhittleError `USAGE` when the container does not run
 */
export async function execInContainer(state: ContainerState, options: ExecOptions): Promise<number> {
  const first = state.process;
  if (first === undefined || state.status !== "running" || !isAlive(first)) {
    throw new WhittleError("USAGE", `Cannot run a command in ${state.name}: it is ${state.status}`);
  }
  const { environment } = options;
  const directory = containerDirectory(state.id, environment);
  const report = (await surveyDrivers(environment, state.privilege)).find(
    ({ name }) => name === state.driver,
  );
  if (report?.driver === undefined) {
    throw new WhittleError("ENVIRONMENT", `Cannot reach ${state.name}: ${state.driver} is no longer usable`);
  }
  const { joining } = state;
  const account = options.user === undefined ? joining.account : await accountIn(first.pid, options.user);
  const process_ = specProcess(
    {
      args: options.args,
      env: mergeEnvironment(joining.env, options.terminal ? ["TERM=xterm"] : [], options.env ?? []),
      cwd: options.workingDirectory ?? joining.cwd,
      account,
      terminal: options.terminal ?? false,
    },
    joining,
    heldCapabilities(),
  );
  const file = join(directory, `exec-${process.pid}-${Math.trunc(performance.now() * 1000)}.json`);
  const log = `${file}.log`;
  await writeFile(file, JSON.stringify(process_));
  const bundle = {
    id: state.id,
    directory,
    privilege: state.privilege,
    uid: joining.account.uid,
    gid: joining.account.gid,
    namespaces: joining.namespaces,
    ...(state.network.hold === undefined ? {} : { network: state.network.hold }),
  };
  try {
    const line = report.driver.exec(bundle, { pid: first.pid, process: process_, processFile: file, log });
    const wrap = options.terminal && (state.driver === "plain" || !process.stdin.isTTY);
    const [program = "", ...args] = wrap ? underTerminal(line) : line;
    const status = await run(program, args, options);
    const reason = status === 0 ? undefined : runtimeFailure(log);
    return reason === undefined ? status : failureStatus(reason);
  } finally {
    await Promise.all([rm(file, { force: true }), rm(log, { force: true })]);
  }
}

async function accountIn(pid: number, user: string): Promise<Account> {
  const root = `/proc/${pid}/root`;
  const read = async (path: string): Promise<string> => {
    const place = await resolveInside(root, path);
    return place === undefined ? "" : readOr(place, "");
  };
  return findAccount(user, await read("/etc/passwd"), await read("/etc/group"));
}

function run(program: string, args: readonly string[], options: ExecOptions): Promise<number> {
  const sink = options.output === "inherit" ? "inherit" : "pipe";
  const child = spawn(program, args, {
    stdio: [options.stdin ?? "ignore", sink, sink],
    ...(options.signal === undefined ? {} : { signal: options.signal, killSignal: "SIGKILL" }),
  });
  if (options.output !== "inherit") {
    const take = options.output;
    child.stdout?.on("data", (chunk: Buffer) => take(chunk, "stdout"));
    child.stderr?.on("data", (chunk: Buffer) => take(chunk, "stderr"));
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
