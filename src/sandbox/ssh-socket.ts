import { chmod, mkdtemp, open, readdir, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Environment, isAlive, makeDirectories, runtimeDirectory, thisProcess } from "../io/index.ts";
import { giveTo } from "./ownership.ts";
import type { SshAgent } from "./ssh-agent.ts";

/** Who may connect to a socket; numbers as inside the container. */
export interface SocketOwner {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** A socket behind which an agent answers. */
export interface SharedSocket {
  /** Absolute; in a directory that only this process's user can enter. */
  readonly path: string;
  /** Ends all connections and removes the socket. */
  close(): Promise<void>;
}

/**
 * Puts a socket of ours in front of an agent: the person's own would refuse other users, and would not end with the
 * step.
 *
 * @throws WhittleError where no socket can be made
 */
export async function shareAgent(
  agent: SshAgent,
  owner: SocketOwner,
  environment: Environment,
): Promise<SharedSocket> {
  const directory = await privateDirectory(environment);
  const path = join(directory, "agent");
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.on("close", () => clients.delete(client));
    agent(client);
  });
  const close = async (): Promise<void> => {
    for (const client of clients) client.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    await rm(directory, { recursive: true, force: true });
  };
  // A socket's name may have 107 bytes (unix(7)), the directory's may be longer.
  const handle = await open(directory, "r");
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(`/proc/self/fd/${handle.fd}/agent`, resolve);
    });
    await chmod(path, owner.mode);
    await giveTo(path, owner, environment);
    return { path, close };
  } catch (error) {
    await close();
    throw error;
  } finally {
    await handle.close();
  }
}

async function privateDirectory(environment: Environment): Promise<string> {
  const runtime = runtimeDirectory(environment);
  const above = await makeDirectories(runtime).then(
    () => runtime,
    () => tmpdir(),
  );
  await removeAbandoned(above);
  const { pid, start, boot, namespace } = thisProcess();
  return mkdtemp(join(above, `ssh-${pid}-${start}-${boot}-${namespace}-`));
}

/** Removes the sockets of processes that were killed; the names of their directories tell whose they are. */
async function removeAbandoned(above: string): Promise<void> {
  for (const name of await readdir(above)) {
    const [, pid, start = "", boot = "", namespace = ""] =
      /^ssh-(\d+)-(\d+)-(\w+)-(\d+)-\w+$/.exec(name) ?? [];
    if (pid === undefined || isAlive({ pid: Number(pid), start, boot, namespace }) !== false) continue;
    await rm(join(above, name), { recursive: true, force: true }).catch(() => undefined);
  }
}
