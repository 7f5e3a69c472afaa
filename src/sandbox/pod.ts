import { open } from "node:fs/promises";
import { join } from "node:path";
import { type Environment, runtimeDirectory, type Work, withLock } from "../io/index.ts";
import { Network } from "./network.ts";
import type { Privilege } from "./privilege.ts";
import { type ContainerState, containerDirectory, isAlive, listContainers } from "./state.ts";

/** Runs something while nobody else starts a container, joins a pod or leaves one. */
export function whileNobodyStarts<Result>(
  environment: Environment,
  signal: AbortSignal,
  action: () => Promise<Result>,
): Promise<Result> {
  return withLock(join(runtimeDirectory(environment), "containers.lock"), action, { signal });
}

/** All containers of a pod, the oldest first. */
export async function podContainers(
  name: string,
  environment: Environment = process.env,
): Promise<ContainerState[]> {
  return (await listContainers(environment)).filter(({ pod }) => pod === name).reverse();
}

/** The containers of a pod that have not ended, the oldest first. */
export async function podMembers(name: string, environment: Environment): Promise<ContainerState[]> {
  return (await podContainers(name, environment)).filter(({ status }) => status !== "exited");
}

/**
 * The network of a pod: that of its members, else a new one. It is there as long as one of them is. To be asked
 * while nobody else starts.
 */
export async function podNetwork(
  name: string,
  privilege: Privilege,
  work: Work,
  environment: Environment,
): Promise<Network> {
  for (const member of await podMembers(name, environment)) {
    const found = networkOf(member);
    if (found !== undefined) return found;
  }
  return Network.create(privilege, true, work, environment);
}

function networkOf({ network, supervisor, process, privilege }: ContainerState): Network | undefined {
  if (network.hold !== undefined && isAlive(supervisor)) return Network.join(network.hold);
  // Its supervisor was killed; the container itself is in the network still.
  if (network.mode !== "default" || process === undefined || !isAlive(process)) return undefined;
  const place = `/proc/${process.pid}/ns`;
  return Network.join({ net: `${place}/net`, ...(privilege === "root" ? {} : { user: `${place}/user` }) });
}

/** Marks the lines of /etc/hosts that are ours to change. */
const mark = "\t# pod";

/** The lines of /etc/hosts by which the containers of a pod are found: all of them are at the loopback address. */
export function podHosts(members: readonly Pick<ContainerState, "name" | "aliases">[]): string[] {
  const names = members.flatMap(({ name, aliases }) => [name, ...aliases]);
  return [...new Set(names)].map((name) => `127.0.0.1\t${name}${mark}`);
}

/** Tells every container of a pod who is in it now. */
export async function announce(name: string, environment: Environment): Promise<void> {
  await whileNobodyStarts(environment, new AbortController().signal, async () => {
    const members = await podMembers(name, environment);
    const lines = podHosts(members);
    const files = members.map(({ id }) => join(containerDirectory(id, environment), "etc", "hosts"));
    // A container that ends meanwhile takes its file along.
    await Promise.all(files.map((file) => rewriteHosts(file, lines).catch(() => undefined)));
  });
}

/** In place, because the file is mounted into the running container; what others wrote there stays. */
async function rewriteHosts(path: string, lines: readonly string[]): Promise<void> {
  const handle = await open(path, "r+");
  try {
    const before = (await handle.readFile("utf8")).split("\n").filter((line) => line !== "");
    const kept = before.filter((line) => !line.endsWith(mark));
    const text = [...kept, ...lines, ""].join("\n");
    const { bytesWritten } = await handle.write(text, 0);
    await handle.truncate(bytesWritten);
  } finally {
    await handle.close();
  }
}
