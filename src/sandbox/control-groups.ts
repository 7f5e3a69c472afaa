import { readdir, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isSystemError, makeDirectories } from "../io/index.ts";

const top = "/sys/fs/cgroup";
const own = "whittle";

/** Removes the control groups of a container, of which runtimes that were killed themselves leave some. */
export async function removeControlGroups(id: string): Promise<void> {
  const hierarchies = await readdir(top).catch(() => [] as string[]);
  for (const parent of [top, ...hierarchies.map((name) => join(top, name))]) {
    await removeGroup(join(parent, own, id));
  }
}

const mostTries = 100;
const patience = 10;

/** Processes that were killed are members until they are gone. */
async function removeGroup(path: string): Promise<void> {
  for (let tries = 0; tries < mostTries; tries++) {
    const failure = await rmdir(path).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!isSystemError(failure) || failure.code !== "EBUSY") return;
    await delay(patience);
  }
}

/**
 * Makes a control group that limits the number of processes, for a container that no runtime makes one for.
 *
 * @returns its directory; nothing where that is not possible
 */
export async function limitProcesses(id: string, most: number): Promise<string | undefined> {
  for (const hierarchy of [join(top, "pids"), top]) {
    const path = join(hierarchy, own, id);
    try {
      if (!(await stat(join(hierarchy, "cgroup.procs"))).isFile()) continue;
      await makeDirectories(path);
      await writeFile(join(path, "pids.max"), String(most));
      return path;
    } catch {
      await rmdir(path).catch(() => undefined);
    }
  }
  return undefined;
}
