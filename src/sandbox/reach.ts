import { readFile } from "node:fs/promises";
import type { Environment } from "../io/index.ts";
import { execInContainer } from "./exec.ts";
import type { ContainerState } from "./state.ts";

/** How a running container is reached from outside. */
export interface Reach {
  /** The machine's address for a port of the container, or for the first published one. */
  address(port?: number): { readonly host: string; readonly port: number } | undefined;
  /** Whether something inside listens on a TCP port. */
  listens(port: number): Promise<boolean>;
  /** Runs a command inside; the output is cut to its first 64 KiB. */
  exec(command: readonly string[], signal: AbortSignal): Promise<{ status: number; output: string }>;
}

const mostOutput = 64 * 1024;

/** The ways to a running container, as probes take them. */
export function reachOf(state: ContainerState, environment: Environment = process.env): Reach {
  return {
    address(port) {
      const published = state.ports.find(
        ({ containerPort, protocol }) => protocol === "tcp" && (port === undefined || containerPort === port),
      );
      if (published === undefined) return undefined;
      const { hostAddress, hostPort } = published;
      const everywhere = hostAddress === "" || hostAddress === "0.0.0.0" || hostAddress === "::";
      return { host: everywhere ? "127.0.0.1" : hostAddress, port: hostPort };
    },
    listens: (port) => listens(state, port),
    async exec(command, signal) {
      let output = "";
      const status = await execInContainer(state, {
        args: command,
        environment,
        signal,
        output: (chunk) => {
          if (output.length < mostOutput) output += chunk.toString("utf8");
        },
      });
      return { status, output: output.slice(0, mostOutput) };
    },
  };
}

const listenState = "0A";

/** Looks a port up among the listening sockets of the container's network (proc_pid_net(5)). */
async function listens(state: ContainerState, port: number): Promise<boolean> {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  for (const file of ["tcp", "tcp6"]) {
    const table = await readFile(`/proc/${state.process?.pid}/net/${file}`, "utf8").catch(() => "");
    const found = table.split("\n").some((line) => {
      const [, local = "", , socketState] = line.trim().split(/\s+/);
      return socketState === listenState && local.endsWith(`:${wanted}`);
    });
    if (found) return true;
  }
  return false;
}
