import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Environment, WhittleError } from "../io/index.ts";
import { removeControlGroups } from "./control-groups.ts";
import { discardOwn } from "./place-volumes.ts";
import { asNamespaceRoot } from "./privilege.ts";
import { runQuietly, stopContainer } from "./signal.ts";
import { type ContainerState, containerDirectory, listContainers, readState } from "./state.ts";

/** What only a running container needs. */
const transient = [
  "root",
  "upper",
  "work",
  "memory",
  "runtime",
  "etc",
  "lower",
  "config.json",
  "pid",
  "stop",
];

/** Frees what a container that has ended no longer needs; its state, log and runtime's words stay. */
export async function clearDirectory(state: ContainerState, environment?: Environment): Promise<void> {
  const directory = containerDirectory(state.id, environment);
  await removePaths(
    state,
    transient.map((name) => join(directory, name)),
  );
  if (state.privilege === "root") await removeControlGroups(state.id);
}

/** Removes all that is left of a container that has ended. */
export async function removeDirectory(state: ContainerState, environment: Environment): Promise<void> {
  await removePaths(state, [containerDirectory(state.id, environment)]);
}

/**
 * Removes a container.
 *
 * @param how - `force` ends it first when it runs; `volumes` removes those that were made for it alone as well
 * @throws WhittleError `USAGE` when it runs
 */
export async function removeContainer(
  state: ContainerState,
  environment: Environment,
  how: { readonly force?: boolean; readonly volumes?: boolean } = {},
): Promise<void> {
  if (state.status !== "exited") {
    if (how.force !== true) {
      throw new WhittleError("USAGE", `Cannot remove the container ${state.name}: it is ${state.status}`, {
        hint: `whittle stop ${state.name}, or whittle rm -f ${state.name}`,
      });
    }
    await stopContainer(state, 0, environment);
    await waitForSupervisor(state, environment);
  }
  await clearDirectory(state, environment);
  await removeDirectory(state, environment);
  if (how.volumes ?? state.remove) await discardOwn(state.mounts, environment);
}

/** Waits until a container that was stopped has been tidied up by whoever started it. */
export async function waitForSupervisor(state: ContainerState, environment: Environment): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (performance.now() < deadline) {
    const now = await readState(state.id, environment);
    if (now === undefined || now.status === "exited") return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Removes what containers left whose supervisor was killed before it could tidy up, where nobody asked for it. */
export async function removeAbandoned(environment: Environment): Promise<void> {
  for (const state of await listContainers(environment)) {
    if (state.status === "exited" && state.remove) await removeContainer(state, environment);
  }
}

/** Files in an upper directory may belong to subordinate ids; then only root of the user namespace may. */
async function removePaths(state: ContainerState, paths: readonly string[]): Promise<void> {
  if (state.privilege === "root") {
    await Promise.all(paths.map((path) => rm(path, { recursive: true, force: true })));
    return;
  }
  await runQuietly([...asNamespaceRoot(state.privilege), "rm", "-rf", "--", ...paths]);
}
