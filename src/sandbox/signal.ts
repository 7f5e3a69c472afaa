import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Environment, isSystemError, WhittleError } from "../io/index.ts";
import { inNamespacesOf } from "./privilege.ts";
import { endWithLeader } from "./process-group.ts";
import { type ContainerState, containerDirectory, isAlive } from "./state.ts";

/**
 * Reads a signal's name or number: `SIGTERM`, `term`, `15`.
 *
 * @throws WhittleError `USAGE`
 */
export function parseSignal(text: string): NodeJS.Signals {
  const upper = text.toUpperCase();
  const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  const entry = Object.entries(constants.signals).find(
    ([key, number]) => key === name || String(number) === text,
  );
  if (entry !== undefined) return entry[0] as NodeJS.Signals;
  throw new WhittleError("USAGE", `Cannot use the signal "${text}": Linux has none of that name`);
}

/** Sends a signal to a container's first process; nothing happens when that has ended. */
export async function signalContainer(state: ContainerState, name: NodeJS.Signals): Promise<void> {
  const target = state.process;
  if (target === undefined || !isAlive(target)) return;
  try {
    process.kill(target.pid, name);
  } catch (error) {
    if (!isSystemError(error) || error.code === "ESRCH") return;
    // A process with a subordinate id: only root of its user namespace may signal it.
    await runQuietly([
      ...inNamespacesOf(target.pid, state.privilege),
      "sh",
      "-c",
      `kill -${constants.signals[name]} ${target.pid}`,
    ]);
  }
}

const defaultPatience = 10;
const step = 20;

/** The file in a container's directory that tells its supervisor not to start the program again. */
export const stopMark = "stop";

/**
 * Asks a container to end with its own stop signal, and kills it when it has not ended in time.
 *
 * @param seconds - 0 kills at once
 */
export async function stopContainer(
  state: ContainerState,
  seconds = defaultPatience,
  environment: Environment = process.env,
): Promise<void> {
  const target = state.process;
  if (state.restart.name !== "no") {
    const mark = join(containerDirectory(state.id, environment), stopMark);
    await writeFile(mark, "").catch(() => undefined);
  }
  if (target === undefined) return;
  if (seconds > 0) await signalContainer(state, parseSignal(state.stopSignal));
  const deadline = performance.now() + seconds * 1000;
  while (isAlive(target) && performance.now() < deadline) await delay(step);
  await signalContainer(state, "SIGKILL");
  while (isAlive(target)) await delay(step);
}

/**
 * Runs a program of the machine and waits for it, whatever comes of it; what it leaves running ends with it.
 *
 * @param input - what it reads from standard input
 */
export async function runQuietly(line: readonly string[], input?: string | Uint8Array): Promise<number> {
  const [file = "true", ...args] = line;
  const child = spawn(file, args, {
    stdio: [input === undefined ? "ignore" : "pipe", "ignore", "ignore"],
    detached: true,
  });
  endWithLeader(child);
  child.stdin?.on("error", () => undefined).end(input);
  const [code] = (await once(child, "close").catch(() => [1])) as [number | null];
  return code ?? 1;
}
