import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readOr } from "./machine.ts";

/** What the machine's files of a container say beyond the usual. */
export interface MachineFiles {
  /** More lines of /etc/hosts. */
  readonly hosts?: readonly string[];
  /** The text of /etc/resolv.conf; default: the machine's. */
  readonly resolver?: string;
}

/**
 * Writes the three files of a container that belong to the machine and not to the image; they are mounted over
 * the image's own, as Docker does.
 *
 * @param names - names that lead to the container itself, beside its hostname
 * @returns the directory that they are in
 */
export async function writeMachineFiles(
  directory: string,
  hostname: string,
  names: readonly string[],
  { hosts: more = [], resolver }: MachineFiles = {},
): Promise<string> {
  const files = join(directory, "etc");
  await mkdir(files, { recursive: true });
  const own = [...new Set([hostname, ...names])].join(" ");
  const hosts =
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\n" +
    `ff02::2\tip6-allrouters\n127.0.0.1\t${own}\n${more.map((line) => `${line}\n`).join("")}`;
  await Promise.all([
    writeFile(join(files, "hosts"), hosts, { mode: 0o644 }),
    writeFile(join(files, "hostname"), `${hostname}\n`, { mode: 0o644 }),
    writeFile(join(files, "resolv.conf"), resolver ?? machineResolver(), { mode: 0o644 }),
  ]);
  return files;
}

/**
 * Writes the two files of a build's step that are mounted over the tree's own, /etc/hosts as BuildKit does; its name
 * is nowhere else, so that a step may write /etc/hostname itself.
 */
export async function writeStepFiles(
  directory: string,
  hostname: string,
  { hosts: more = [], resolver }: MachineFiles = {},
): Promise<string> {
  const files = join(directory, "etc");
  await mkdir(files, { recursive: true });
  const usual = [`127.0.0.1\tlocalhost ${hostname}`, "::1\tlocalhost ip6-localhost ip6-loopback"];
  await Promise.all([
    writeFile(join(files, "hosts"), [...usual, ...more, ""].join("\n"), { mode: 0o644 }),
    writeFile(join(files, "resolv.conf"), resolver ?? machineResolver(), { mode: 0o644 }),
  ]);
  return files;
}

/** The machine's own /etc/resolv.conf. */
function machineResolver(): string {
  return readOr("/etc/resolv.conf", "");
}

/**
 * The /etc/resolv.conf of a container with a network of its own: the machine's, where a name server that listens
 * on the machine's loopback address, out of reach from inside, is answered for by `forwarder`.
 *
 * @param chosen - name servers instead
 */
export function containerResolver(forwarder: string | undefined, chosen: readonly string[] = []): string {
  const lines = machineResolver()
    .split("\n")
    .filter((line) => line !== "");
  const isServer = (line: string): boolean => /^\s*nameserver\s/.test(line);
  const own = lines.filter(isServer).map((line) => line.trim().split(/\s+/)[1] ?? "");
  const reachable = own.filter((address) => !/^(127\.|::1$)/.test(address));
  const usual = reachable.length === own.length || forwarder === undefined ? own : [...reachable, forwarder];
  const servers = chosen.length > 0 ? chosen : usual;
  const others = lines.filter((line) => !isServer(line));
  return [...servers.map((address) => `nameserver ${address}`), ...others, ""].join("\n");
}
