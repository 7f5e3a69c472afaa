import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { isSystemError, WhittleError } from "../io/index.ts";
import { entryFile } from "./entries.ts";
import type { ForwardMessage } from "./forwarder.ts";
import type { PublishedPort } from "./ports.ts";
import type { Privilege } from "./privilege.ts";

interface Listener {
  readonly port: PublishedPort;
  readonly server: Server;
  /** Connections that came before the container was there. */
  readonly early: Socket[];
}

/**
 * Answers ports of the machine for a container that has a network of its own. The sockets are bound here, in the
 * machine's network; a forwarder process, which lives in the container's network, gets them and accepts. So
 * neither a bridge nor packet rules nor privileges are needed.
 */
export class Publication {
  readonly #listeners: Listener[] = [];
  #forwarder: ChildProcess | undefined;

  /** The ports with the numbers that the kernel chose where 0 was asked for. */
  get ports(): PublishedPort[] {
    return this.#listeners.map(({ port }) => port);
  }

  /**
   * Binds all ports, so that an occupied one is found out before anything is started.
   *
   * @throws WhittleError `ENVIRONMENT` or `PERMISSION`
   */
  static async bind(ports: readonly PublishedPort[]): Promise<Publication> {
    const publication = new Publication();
    try {
      for (const port of ports) publication.#listeners.push(await listen(port));
    } catch (error) {
      publication.close();
      throw error;
    }
    return publication;
  }

  /** Hands the ports to a forwarder in the network of a process. */
  async forwardTo(pid: number, privilege: Privilege): Promise<void> {
    if (this.#listeners.length === 0) return;
    // One call for both namespaces: in between, a user who is not root there would lose its capabilities.
    const user = privilege === "root" ? [] : ["--user", "--preserve-credentials"];
    const args = ["--target", String(pid), ...user, "--net", "--", process.execPath, entryFile("forwarder")];
    const child = spawn("nsenter", args, { stdio: ["ignore", "ignore", "ignore", "ipc"], detached: true });
    this.#forwarder = child;
    const died = once(child, "exit").then(() => {
      throw new WhittleError("CONTAINER_FAILED", "Cannot publish ports: the forwarding process ended");
    });
    died.catch(() => undefined);
    for (const listener of this.#listeners) await Promise.race([handOver(child, listener), died]);
  }

  /** Stops answering; connections under way are cut. */
  close(): void {
    for (const { server, early } of this.#listeners) {
      server.close();
      for (const socket of early) socket.destroy();
    }
    this.#forwarder?.kill("SIGKILL");
  }
}

async function handOver(child: ChildProcess, { port, server, early }: Listener): Promise<void> {
  const { containerPort } = port;
  const accepted = new Promise<void>((resolve) => {
    const listening = (message: unknown): void => {
      if ((message as ForwardMessage).containerPort !== containerPort) return;
      child.off("message", listening);
      resolve();
    };
    child.on("message", listening);
  });
  child.send({ kind: "server", containerPort } satisfies ForwardMessage, server);
  await accepted;
  // From now on only the forwarder accepts; what was accepted here before follows it.
  server.close();
  for (const socket of early.splice(0)) {
    child.send({ kind: "socket", containerPort } satisfies ForwardMessage, socket);
  }
}

async function listen(port: PublishedPort): Promise<Listener> {
  const early: Socket[] = [];
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => early.push(socket));
  const { hostAddress, hostPort } = port;
  server.listen({ port: hostPort, backlog: 1024, ...(hostAddress === "" ? {} : { host: hostAddress }) });
  try {
    await once(server, "listening");
  } catch (error) {
    throw explainListen(error, port);
  }
  return { port: { ...port, hostPort: (server.address() as AddressInfo).port }, server, early };
}

function explainListen(error: unknown, { hostAddress, hostPort }: PublishedPort): unknown {
  if (!isSystemError(error)) return error;
  const where = hostAddress === "" ? `port ${hostPort}` : `${hostAddress}:${hostPort}`;
  switch (error.code) {
    case "EADDRINUSE":
      return new WhittleError("ENVIRONMENT", `Cannot publish ${where}: another program listens there`, {
        hint: "choose another port before the colon of -p; 0 takes a free one",
        cause: error,
      });
    case "EACCES":
      return new WhittleError("PERMISSION", `Cannot publish ${where}: ports below 1024 are for root`, {
        hint: "choose a port above 1023 before the colon of -p",
        cause: error,
      });
    default:
      return new WhittleError("ENVIRONMENT", `Cannot publish ${where}: ${error.code}`, { cause: error });
  }
}
