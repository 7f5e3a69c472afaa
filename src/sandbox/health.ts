import type { ContainerConfig, Healthcheck } from "../image/index.ts";
import type { Environment } from "../io/index.ts";
import { execInContainer } from "./exec.ts";
import type { ContainerState, Health } from "./state.ts";

/** The checking of a container's health until it is stopped. */
export interface HealthWatch {
  stop(): Promise<void>;
}

const second = 1e9;
const outputKept = 4096;

/**
 * Runs an image's health check as Docker does: after each interval; failures during the start period do not
 * count; so many in a row make it unhealthy, one success makes it healthy.
 *
 * @param changed - is told of every check
 */
export function watchHealth(
  state: ContainerState,
  { Healthcheck: check, Shell: shell }: ContainerConfig,
  environment: Environment,
  changed: (health: Health) => Promise<void>,
): HealthWatch | undefined {
  const args = healthCommand(check, shell);
  if (check === undefined || args === undefined) return undefined;
  const controller = new AbortController();
  const loop = run(state, check, args, environment, controller.signal, changed).catch(() => undefined);
  return {
    stop: async () => {
      controller.abort();
      await loop;
    },
  };
}

/**
 * The command of a health check; nothing when there is none (`NONE`, or an empty one).
 *
 * @param shell - the image's own, where it names one
 */
export function healthCommand(
  check: Healthcheck | undefined,
  shell: readonly string[] = ["/bin/sh", "-c"],
): string[] | undefined {
  const [kind, ...args] = check?.Test ?? [];
  if (kind === "CMD" && args.length > 0) return args;
  if (kind === "CMD-SHELL" && args.length > 0) return [...shell, args.join(" ")];
  return undefined;
}

async function run(
  state: ContainerState,
  check: Healthcheck,
  args: readonly string[],
  environment: Environment,
  signal: AbortSignal,
  changed: (health: Health) => Promise<void>,
): Promise<void> {
  const milliseconds = (nanoseconds: number | undefined, fallback: number): number =>
    (nanoseconds || fallback) / 1e6;
  const interval = milliseconds(check.Interval, 30 * second);
  const timeout = milliseconds(check.Timeout, 30 * second);
  const grace = milliseconds(check.StartPeriod, 0);
  const startInterval = milliseconds(check.StartInterval, Math.min(5 * second, interval * 1e6));
  const retries = check.Retries || 3;
  const began = performance.now();
  let health: Health = { status: "starting", failingStreak: 0, output: "" };
  await changed(health);
  while (!signal.aborted) {
    const starting = health.status === "starting" && performance.now() - began < grace;
    await pause(starting ? Math.min(startInterval, interval) : interval, signal);
    if (signal.aborted) return;
    const inGrace = performance.now() - began < grace;
    const { ok, output } = await checkOnce(state, args, environment, timeout, signal);
    if (signal.aborted) return;
    health = nextHealth(health, ok, output, retries, inGrace);
    await changed(health);
  }
}

/** What one more check makes of a container's health. */
export function nextHealth(
  before: Health,
  ok: boolean,
  output: string,
  retries: number,
  inStartPeriod: boolean,
): Health {
  if (ok) return { status: "healthy", failingStreak: 0, output };
  if (inStartPeriod && before.status === "starting") return { ...before, output };
  const failingStreak = before.failingStreak + 1;
  return { status: failingStreak >= retries ? "unhealthy" : before.status, failingStreak, output };
}

async function checkOnce(
  state: ContainerState,
  args: readonly string[],
  environment: Environment,
  timeout: number,
  signal: AbortSignal,
): Promise<{ ok: boolean; output: string }> {
  let output = "";
  const limited = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
  try {
    const status = await execInContainer(state, {
      args,
      environment,
      signal: limited,
      output: (chunk) => {
        if (output.length < outputKept) output += chunk.toString("utf8");
      },
    });
    return { ok: status === 0, output: output.slice(0, outputKept) };
  } catch {
    return { ok: false, output: `the check took longer than ${timeout / 1000} s` };
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done);
  });
}
