import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, constants, openSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Environment, explainSystemError, WhittleError, type Work } from "../io/index.ts";
import { entryFile } from "./entries.ts";
import { connectOutside, findOutbound, type Outbound, type OutboundProgram } from "./outbound.ts";
import { type Privilege, userNamespaceOptions } from "./privilege.ts";
import { endWithLeader } from "./process-group.ts";
import { runQuietly } from "./signal.ts";

/** Where a network that some process holds open is found: paths that lead to the holder's open files. */
export interface NetworkHold {
  readonly net: string;
  /** The user namespace that the network belongs to, where an ordinary user made it. */
  readonly user?: string;
  /** Held open for writing by all who share the network; its way out closes with the last of them. */
  readonly users?: string;
  /** The address inside that answers as the machine's name servers do. */
  readonly nameserver?: string;
}

/**
 * A network namespace that containers run in. It is there as long as somebody has it open, this object or a
 * process inside: nothing has to be taken down, and nothing is left when its holders are killed.
 */
export class Network {
  readonly hold: NetworkHold;
  readonly #files: readonly number[];
  readonly #outbound: Outbound | undefined;

  private constructor({ net, user, users, nameserver, outbound }: OpenNetwork) {
    this.#files = [net, user, users].filter((file) => file !== undefined);
    this.#outbound = outbound;
    this.hold = {
      net: own(net),
      ...(user === undefined ? {} : { user: own(user) }),
      ...(users === undefined ? {} : { users: own(users) }),
      ...(nameserver === undefined ? {} : { nameserver }),
    };
  }

  /**
   * Makes a network with loopback, and with a way out where a program for that is installed.
   *
   * @param shared - others may join it, and its way out is to stay open for them
   * @throws WhittleError `ENVIRONMENT` when the machine allows no new network
   */
  static async create(
    privilege: Privilege,
    shared: boolean,
    work: Work,
    environment: Environment,
  ): Promise<Network> {
    const program = await findOutbound(environment);
    const first = await firstProcess(privilege, program !== undefined);
    const pid = first.pid ?? 0;
    try {
      const net = openSync(`/proc/${pid}/ns/net`, constants.O_RDONLY);
      const user = privilege === "root" ? {} : { user: openSync(`/proc/${pid}/ns/user`, constants.O_RDONLY) };
      const outside = program === undefined ? {} : await wayOut(program, pid, shared, work);
      return new Network({ net, ...user, ...outside });
    } finally {
      first.kill("SIGKILL");
    }
  }

  /** Opens a network that somebody else holds; nothing when nobody does any more. */
  static join({ net, user, users, nameserver }: NetworkHold): Network | undefined {
    try {
      const read = (path: string): number => openSync(path, constants.O_RDONLY);
      return new Network({
        net: read(net),
        ...(user === undefined ? {} : { user: read(user) }),
        ...(users === undefined
          ? {}
          : { users: openSync(users, constants.O_WRONLY | constants.O_NONBLOCK), nameserver }),
      });
    } catch {
      return undefined;
    }
  }

  /** Lets go of it; processes inside go on. */
  async close(): Promise<void> {
    for (const file of this.#files) closeSync(file);
    await this.#outbound?.stop();
  }
}

/** What a network consists of here: open files, and what has to be ended with them. */
interface OpenNetwork {
  readonly net: number;
  readonly user?: number;
  readonly users?: number;
  readonly nameserver?: string | undefined;
  readonly outbound?: Outbound;
}

/** The words before a command that make it run in a network and the user namespace that this belongs to. */
export function inNetwork({ net, user }: NetworkHold): string[] {
  // One call for both namespaces: in between, a user who is not root there would lose its capabilities.
  const owner = user === undefined ? [] : [`--user=${user}`, "--preserve-credentials"];
  return ["nsenter", ...owner, `--net=${net}`, "--"];
}

/** A path by which other processes find a file that this one has open. */
function own(file: number): string {
  return `/proc/${process.pid}/fd/${file}`;
}

/** As in Docker, a port below 1024 and ping(8) need no privilege inside a container's own network. */
const prepareScript = `
cd /proc/sys/net/ipv4
echo 0 > ip_unprivileged_port_start
echo "$1" > ping_group_range
shift
"$@" && echo up && read -r line
`;

/** All groups that exist inside. */
const pingGroups: Readonly<Record<Privilege, string>> = {
  root: "0 2147483647",
  subordinate: "0 65535",
  single: "0 0",
};

/** Starts the process that a new network begins with, and waits until that is usable. */
async function firstProcess(privilege: Privilege, connected: boolean): Promise<ChildProcess> {
  // What gives it a way out brings loopback up as well.
  const up = connected ? ["true"] : [process.execPath, entryFile("loopback")];
  const line = [
    ...userNamespaceOptions(privilege),
    "--net",
    "--",
    "sh",
    "-c",
    prepareScript,
    "prepare",
    pingGroups[privilege],
    ...up,
  ];
  const child = spawn("unshare", line, { stdio: ["pipe", "pipe", "pipe"], detached: true });
  endWithLeader(child);
  let words = "";
  child.stderr.on("data", (chunk: Buffer) => {
    words += chunk.toString("utf8").slice(0, mostWords - words.length);
  });
  const [said] = (await Promise.race([
    once(child.stdout, "data"),
    once(child, "close").then(() => [undefined]),
  ]).catch((error: unknown) => {
    throw explainSystemError(error, "make a network for the container");
  })) as [unknown];
  if (said !== undefined) return child;
  throw new WhittleError("ENVIRONMENT", `Cannot make a network for the container: ${words.trim()}`, {
    hint: "--network host uses the machine's own; whittle doctor tells what this machine can do",
  });
}

const mostWords = 4096;

/** Opens the way out; where that is not possible, the network is of use all the same. */
async function wayOut(
  program: OutboundProgram,
  pid: number,
  shared: boolean,
  work: Work,
): Promise<Partial<OpenNetwork>> {
  try {
    const { nameserver } = program;
    if (shared) return { nameserver, users: await sharedWayOut(program, pid, work.signal) };
    return { nameserver, outbound: await connectOutside(program, pid, work.signal) };
  } catch (error) {
    work.signal.throwIfAborted();
    work.progress({ kind: "warning", text: (error as Error).message });
    return {};
  }
}

/** Opens a way out that outlives this process, and answers with the file that keeps it open. */
async function sharedWayOut(program: OutboundProgram, pid: number, signal: AbortSignal): Promise<number> {
  const path = join(tmpdir(), `whittle-${randomBytes(8).toString("hex")}`);
  if ((await runQuietly(["mkfifo", "-m", "600", path])) !== 0)
    throw new Error(`Cannot make the pipe ${path}`);
  const files: number[] = [];
  try {
    // Opening one end of a pipe waits for the other, unless it is told not to; reading from it is to wait.
    files.push(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
    const writer = openSync(path, constants.O_WRONLY);
    const reader = openSync(path, constants.O_RDONLY);
    files.push(reader, writer);
    await connectOutside(program, pid, signal, reader);
    files.pop();
    return writer;
  } finally {
    for (const file of files) closeSync(file);
    await rm(path, { force: true });
  }
}
