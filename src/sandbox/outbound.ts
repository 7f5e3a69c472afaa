import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, constants, readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type Environment, WhittleError } from "../io/index.ts";
import { findProgram, isRoot } from "./machine.ts";

/** A program that carries the traffic of a network namespace over the machine's own sockets. */
export interface OutboundProgram {
  readonly name: "slirp4netns" | "pasta";
  /** Absolute. */
  readonly path: string;
  /** The address inside that answers as the machine's name servers do. */
  readonly nameserver: string;
  /** setpriv(1), which lets it end with us however we end. */
  readonly setpriv: string | undefined;
}

/** A network namespace's way out, while it is open. */
export interface Outbound {
  /** Closes it; asking twice is no mistake. */
  stop(): Promise<void>;
}

const programs = [
  { name: "slirp4netns", nameserver: "10.0.2.3" },
  { name: "pasta", nameserver: "169.254.1.1" },
] as const;

/** The device that such programs open. */
export const tunnel = "/dev/net/tun";

/** Whether this user may open the device. */
export function mayOpenTunnel(): Promise<boolean> {
  return access(tunnel, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
}

/**
 * Finds such a program on the machine. Neither needs privileges, but both open {@link tunnel}; pasta gives up those
 * of root before it looks for the namespace, and so serves an ordinary user only.
 */
export async function findOutbound(environment: Environment): Promise<OutboundProgram | undefined> {
  if (!(await mayOpenTunnel())) return undefined;
  for (const { name, nameserver } of programs) {
    if (name === "pasta" && isRoot()) continue;
    const path = await findProgram(name, environment);
    if (path === undefined) continue;
    return { name, path, nameserver, setpriv: await findProgram("setpriv", environment) };
  }
  return undefined;
}

/**
 * Gives the network namespace of a process a way to everything that the machine reaches, and answers when it is
 * open. The machine's own loopback address stays out of reach. Loopback of the namespace is up afterwards, too.
 *
 * @param pid - a process in the namespace, as the machine counts; with a user namespace of its own when an
 *   ordinary user made it
 * @param users - the reading end of a named pipe: the way out then closes with the last that has the pipe open for
 *   writing, and not with this process
 * @throws WhittleError `ENVIRONMENT` when the program ends instead; the signal's reason
 */
export async function connectOutside(
  program: OutboundProgram,
  pid: number,
  signal: AbortSignal,
  users?: number,
): Promise<Outbound> {
  const line = commands[program.name](program, String(pid));
  const [file = "", ...args] = users === undefined ? endingWithUs(program, line) : endingWithUsers(line);
  const child = spawn(file, args, {
    stdio: ["ignore", "ignore", "pipe", ...(users === undefined ? [] : [users])],
    detached: true,
  });
  let words = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    if (words.length < mostWords) words += chunk.toString("utf8");
  });
  const ended = once(child, "close").catch(() => undefined);
  const stop = async (): Promise<void> => {
    // Whoever waits for its end must not end before: the end is told when its words have ended too.
    child.ref();
    (child.stderr as Socket | null)?.ref();
    child.kill("SIGKILL");
    await ended;
  };
  try {
    while (!(await hasRoute(pid))) {
      signal.throwIfAborted();
      if (isOver(child)) throw notConnected(program, words);
      await delay(patience);
    }
    letGo(child);
    return { stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function endingWithUs({ setpriv }: OutboundProgram, line: readonly string[]): readonly string[] {
  return setpriv === undefined ? line : [setpriv, "--pdeathsig", "KILL", ...line];
}

/** This process does not wait for it. */
function letGo(child: ChildProcess): void {
  child.unref();
  (child.stderr as Socket | null)?.unref();
}

// Who hears its words may be gone before it.
const usersScript = `
trap '' PIPE
"$@" 3<&- & program=$!
( cat <&3 >/dev/null; kill -KILL "$program" ) 2>/dev/null & watch=$!
exec 3<&-
wait "$program"; status=$?
kill -KILL "$watch"
exit "$status"
`;

function endingWithUsers(line: readonly string[]): readonly string[] {
  return ["sh", "-c", usersScript, "users", ...line];
}

const patience = 3;
const mostWords = 4096;

const commands: Readonly<
  Record<OutboundProgram["name"], (program: OutboundProgram, pid: string) => string[]>
> = {
  slirp4netns: ({ path }, pid) => [
    path,
    ...["--configure", "--mtu=65520", "--disable-host-loopback"],
    ...[pid, "tap0"],
  ],
  pasta: ({ path, nameserver }, pid) => [
    path,
    ...["--foreground", "--quiet", "--config-net", "--no-map-gw", "--dns-forward", nameserver],
    // Nothing is let in, neither from the machine nor to its loopback address.
    ...["-t", "none", "-u", "none", "-T", "none", "-U", "none"],
    pid,
  ],
};

/** Whether the namespace of a process has a default route: the last thing that these programs set. */
async function hasRoute(pid: number): Promise<boolean> {
  const [four, six] = await Promise.all(
    ["route", "ipv6_route"].map((file) => readFile(`/proc/${pid}/net/${file}`, "utf8").catch(() => "")),
  );
  const anywhere = /^\S+\t00000000\t(?!00000000)/m.test(four ?? "");
  return anywhere || /^0{32} 00 0{32} 00 (?!0{32})/m.test(six ?? "");
}

function isOver(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function notConnected({ name }: OutboundProgram, words: string): WhittleError {
  const last = words.trim().split("\n").at(-1) ?? "";
  return new WhittleError(
    "ENVIRONMENT",
    `Cannot connect a container's network by ${name}: ${last === "" ? "it ended without a word" : last}`,
    { hint: "--network host uses the machine's own network" },
  );
}
