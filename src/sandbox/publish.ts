import { type ChildProcess, type SendHandle, spawn } from "node:child_process";
import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { isSystemError, WhittleError } from "../io/index.ts";
import { entryFile } from "./entries.ts";
import type { EndMessage, ForwardMessage } from "./forwarder.ts";
import { inNetwork, type NetworkHold } from "./network.ts";
import type { PublishedPort } from "./ports.ts";

// What a container has sent when it ended may take so many milliseconds to arrive.
const patience = 10_000;

/** A port of the machine that is bound. */
interface Listener {
  readonly port: PublishedPort;
  /** Sends the socket to the forwarder; from then on only that one answers. */
  handOver(child: ChildProcess): Promise<void>;
  close(): void;
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
      for (const port of ports) {
        const bound = port.protocol === "udp" ? await bindDatagrams(port) : await listen(port);
        publication.#listeners.push(bound);
      }
    } catch (error) {
      publication.close();
      throw error;
    }
    return publication;
  }

  /** Hands the ports to a forwarder in a network. */
  async forwardTo(network: NetworkHold): Promise<void> {
    if (this.#listeners.length === 0) return;
    const [program = "", ...args] = [...inNetwork(network), process.execPath, entryFile("forwarder")];
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "ignore", "ipc"], detached: true });
    this.#forwarder = child;
    const died = once(child, "exit").then(() => {
      throw new WhittleError("CONTAINER_FAILED", "Cannot publish ports: the forwarding process ended");
    });
    died.catch(() => undefined);
    for (const listener of this.#listeners) await Promise.race([listener.handOver(child), died]);
  }

  /** Stops answering when the container has ended; what it has sent still reaches whoever asked, but not for ever. */
  async end(): Promise<void> {
    const child = this.#forwarder;
    if (child?.connected === true && child.exitCode === null) {
      const exited = once(child, "exit");
      child.send({ kind: "end" } satisfies EndMessage);
      await Promise.race([exited, delay(patience, undefined, { ref: false })]);
    }
    this.close();
  }

  /** Stops answering; connections under way are cut. */
  close(): void {
    for (const listener of this.#listeners) listener.close();
    this.#forwarder?.kill("SIGKILL");
  }
}

/** Waits until the forwarder says that it has a port. */
async function accepted(child: ChildProcess, message: ForwardMessage, handle: SendHandle): Promise<void> {
  const answer = new Promise<void>((resolve) => {
    const heard = (said: unknown): void => {
      const { containerPort, kind } = said as ForwardMessage;
      if (containerPort !== message.containerPort || kind !== message.kind) return;
      child.off("message", heard);
      resolve();
    };
    child.on("message", heard);
  });
  child.send(message, handle);
  await answer;
}

async function listen(port: PublishedPort): Promise<Listener> {
  // Connections that came before the container was there.
  const early: Socket[] = [];
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => early.push(socket));
  const { hostAddress, hostPort, containerPort } = port;
  server.listen({ port: hostPort, backlog: 1024, ...(hostAddress === "" ? {} : { host: hostAddress }) });
  await once(server, "listening").catch((error: unknown) => {
    throw explainListen(error, port);
  });
  return {
    port: { ...port, hostPort: (server.address() as AddressInfo).port },
    async handOver(child) {
      await accepted(child, { kind: "server", containerPort }, server);
      server.close();
      // What was accepted here before follows the server.
      for (const socket of early.splice(0)) {
        child.send({ kind: "socket", containerPort } satisfies ForwardMessage, socket);
      }
    },
    close() {
      server.close();
      for (const socket of early) socket.destroy();
    },
  };
}

async function bindDatagrams(port: PublishedPort): Promise<Listener> {
  const { hostAddress, hostPort, containerPort } = port;
  const bind = async (type: "udp4" | "udp6"): Promise<DatagramSocket> => {
    const socket = createSocket(type);
    socket.bind({ port: hostPort, ...(hostAddress === "" ? {} : { address: hostAddress }) });
    await once(socket, "listening");
    return socket;
  };
  const four = hostAddress !== "" && !hostAddress.includes(":");
  // A socket for all addresses of IPv6 answers those of IPv4 as well; a machine may have no IPv6.
  const socket = await (four
    ? bind("udp4")
    : bind("udp6").catch((error: unknown) => {
        if (hostAddress === "" && isSystemError(error) && error.code === "EAFNOSUPPORT") return bind("udp4");
        throw error;
      })
  ).catch((error: unknown) => {
    throw explainListen(error, port);
  });
  let open = true;
  const close = (): void => {
    if (open) socket.close();
    open = false;
  };
  return {
    port: { ...port, hostPort: socket.address().port },
    async handOver(child) {
      await accepted(child, { kind: "datagrams", containerPort }, socket);
      close();
    },
    close,
  };
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
