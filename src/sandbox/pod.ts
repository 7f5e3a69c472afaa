import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import type { Environment } from "../io/index.ts";
import { type ContainerState, containerDirectory, listContainers, type ProcessIdentity } from "./state.ts";

/** Containers that share a network. */
export interface Pod {
  /** A running member whose network a new one joins; nothing for the first. */
  readonly member: ProcessIdentity | undefined;
  /** The names of the running members. */
  readonly names: readonly string[];
  readonly ids: readonly string[];
}

/** The running containers of a pod. */
export async function findPod(name: string, environment: Environment): Promise<Pod> {
  const all = await listContainers(environment);
  const members = all.filter(
    (state): state is ContainerState & { process: ProcessIdentity } =>
      state.pod === name && state.status === "running" && state.process !== undefined,
  );
  return {
    member: members[0]?.process,
    names: members.map((state) => state.name),
    ids: members.map((state) => state.id),
  };
}

/** Lets the other members of a pod find a new one by its name; all of them are at the loopback address. */
export async function announce(pod: Pod, name: string, environment: Environment): Promise<void> {
  await Promise.all(
    pod.ids.map((id) =>
      // In place: the file is mounted into the running container.
      appendFile(join(containerDirectory(id, environment), "etc", "hosts"), `127.0.0.1\t${name}\n`).catch(
        () => undefined,
      ),
    ),
  );
}
