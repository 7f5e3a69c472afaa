import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { isSystemError, WhittleError } from "../io/index.ts";
import { inUserNamespaceOf } from "./privilege.ts";
import { type ContainerState, isAlive } from "./state.ts";

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
      ...inUserNamespaceOf(target.pid, state.privilege),
      "sh",
      "-c",
      `kill -${constants.signals[name]} ${target.pid}`,
    ]);
  }
}

const defaultPatience = 10;
const step = 20;

/**
 * Asks a container to end with its own stop signal, and kills it when it has not ended in time.
 *
 * @param seconds - 0 kills at once
 */
export async function stopContainer(state: ContainerState, seconds = defaultPatience): Promise<void> {
  const target = state.process;
  if (target === undefined) return;
  if (seconds > 0) await signalContainer(state, parseSignal(state.stopSignal));
  const deadline = performance.now() + seconds * 1000;
  while (isAlive(target) && performance.now() < deadline) await delay(step);
  await signalContainer(state, "SIGKILL");
  while (isAlive(target)) await delay(step);
}

/** Runs a program of the machine and waits for it, whatever comes of it. */
export async function runQuietly(line: readonly string[]): Promise<number> {
  const [file = "true", ...args] = line;
  const child = spawn(file, args, { stdio: "ignore" });
  const [code] = (await once(child, "close").catch(() => [1])) as [number | null];
  return code ?? 1;
}
