import { setTimeout as sleep } from "node:timers/promises";
import { quietWork } from "../../src/io/index.ts";
import { type ProbeTarget, parseProbe, probeAll } from "../../src/probe/index.ts";
import { readProject } from "../../src/project/index.ts";
import { attempt, freePort, say, whittle } from "../program.ts";
import { directoryOf } from "./variant.ts";

/** A running container of an example, with one published port. */
export interface Running {
  readonly name: string;
  readonly address: string;
  readonly target: ProbeTarget;
}

/** Starts an image with its root file system read-only, and waits until its port answers. */
export async function start(
  reference: string,
  name: string,
  inner: number,
  options: readonly string[] = [],
): Promise<Running> {
  const port = await freePort();
  whittle([
    "run",
    "-d",
    "--read-only",
    "--name",
    name,
    "-p",
    `127.0.0.1:${port}:${inner}`,
    ...options,
    reference,
  ]);
  const running: Running = {
    name,
    address: `http://127.0.0.1:${port}`,
    target: {
      address: () => ({ host: "127.0.0.1", port }),
      exec: async (command) => {
        const { status, stdout, stderr } = attempt(["exec", name, ...command]);
        return { status, output: stdout + stderr };
      },
    },
  };
  await answering(running);
  return running;
}

/** Waits until a container answers anything over HTTP; with what it logged, where it does not. */
export async function answering({ address, name }: Running): Promise<void> {
  for (let tries = 0; tries < 150; tries++) {
    try {
      await fetch(address, { redirect: "manual" });
      return;
    } catch {
      await sleep(200);
    }
  }
  throw new Error(`${name} does not answer on ${address}\n${attempt(["logs", name]).stdout}`);
}

/** Takes a container away, whatever state it is in. */
export function remove(...names: readonly string[]): void {
  for (const name of names) attempt(["rm", "-f", name]);
}

/** Asks what whittle.yaml says that an image has to answer. */
export async function probes(example: string, image: string, running: Running): Promise<void> {
  const { recipe } = await readProject(directoryOf(example));
  const specs = recipe.images[image]?.probes ?? [];
  if (specs.length === 0) throw new Error(`${example} names no probes for ${image}`);
  const results = await probeAll(specs.map(parseProbe), running.target, quietWork);
  const failed = results.filter(({ ok }) => !ok);
  if (failed.length > 0) {
    throw new Error(
      `${failed.map(({ probe, detail }) => `${probe}: ${detail}`).join("\n")}\n${attempt(["logs", running.name]).stdout}`,
    );
  }
  say(`  ✓ ${results.length} probes of ${example}:${image} pass`);
}

/** Sends a container its stop signal and says how long it took, in milliseconds, and with what status it ended. */
export function stop(name: string): { readonly milliseconds: number; readonly status: number } {
  const since = performance.now();
  whittle(["stop", name]);
  const milliseconds = performance.now() - since;
  const listed = JSON.parse(whittle(["ps", "-a", "--format", "json"])) as readonly {
    readonly name: string;
    readonly exitCode: number | null;
  }[];
  return { milliseconds, status: listed.find((container) => container.name === name)?.exitCode ?? -1 };
}
