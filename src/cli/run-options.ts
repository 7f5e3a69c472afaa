import { isIP } from "node:net";
import type { ContainerConfig } from "../image/index.ts";
import { type Environment, WhittleError } from "../io/index.ts";
import {
  type DriverName,
  driverNames,
  environmentLines,
  type NetworkMode,
  parseLogLimits,
  parseMount,
  parsePublish,
  parseRestart,
  parseSignal,
  parseTmpfs,
  parseVolume,
  type RunOptions,
  readEnvironmentFile,
} from "../sandbox/index.ts";
import { extraHost } from "./extra-host.ts";
import { pairs } from "./options.ts";
import type { RunFlags } from "./run-flags.ts";

/**
 * The flags of `whittle run` as the sandbox takes them.
 *
 * @throws WhittleError `USAGE`, `NOT_FOUND` for an environment file
 */
export async function runOptions(
  flags: RunFlags,
  command: readonly string[],
  directory: string,
  environment: Environment,
): Promise<RunOptions> {
  if (flags.rm && flags.restart !== undefined && flags.restart !== "no") {
    throw new WhittleError("USAGE", "Cannot use --rm with --restart: what is removed cannot start again");
  }
  const mounts = flags.mount.map((text) => parseMount(text, directory));
  return {
    command,
    ...(flags.name === undefined ? {} : { name: flags.name }),
    // As with docker, an empty entry point takes the image's away.
    ...(flags.entrypoint === undefined
      ? {}
      : { entrypoint: flags.entrypoint === "" ? [] : [flags.entrypoint] }),
    environment: await environmentOf(flags, directory, environment),
    ...(flags.user === undefined ? {} : { user: flags.user }),
    ...(flags.workdir === undefined ? {} : { workingDirectory: absolute(flags.workdir) }),
    ...(flags.hostname === undefined ? {} : { hostname: flags.hostname }),
    readOnly: flags.readOnly ?? false,
    publish: flags.publish.flatMap(parsePublish),
    volumes: [
      ...flags.volume.map((text) => parseVolume(text, directory)),
      ...mounts.filter((mount) => mount.kind !== "tmpfs"),
    ],
    tmpfs: [...flags.tmpfs.map(parseTmpfs), ...mounts.filter((mount) => mount.kind === "tmpfs")],
    ...(flags.memory === undefined ? {} : { memory: parseMemory(flags.memory) }),
    ...(flags.cpus === undefined ? {} : { cpus: positive(flags.cpus, "--cpus") }),
    ...(flags.pidsLimit === undefined ? {} : { pidsLimit: whole(flags.pidsLimit, "--pids-limit") }),
    capAdd: flags.capAdd,
    capDrop: flags.capDrop,
    ...(flags.network === undefined ? {} : { network: networkMode(flags.network) }),
    ...(flags.pod === undefined ? {} : { pod: flags.pod }),
    aliases: flags.networkAlias,
    extraHosts: flags.addHost.map(extraHost),
    dns: flags.dns.map(nameServer),
    ...(flags.restart === undefined ? {} : { restart: parseRestart(flags.restart) }),
    ...(flags.logOpt.length === 0 ? {} : { log: parseLogLimits(flags.logOpt) }),
    init: flags.init ?? false,
    terminal: flags.tty ?? false,
    interactive: flags.interactive ?? false,
    labels: pairs(flags.label, "--label"),
    ...(flags.stopSignal === undefined ? {} : { stopSignal: parseSignal(flags.stopSignal) }),
    remove: flags.rm ?? false,
    ...(flags.driver === undefined ? {} : { driver: driverName(flags.driver) }),
  };
}

/** Publishes every port that an image declares, by a free one of the machine, unless it is published already. */
export function publishAll(options: RunOptions, config: ContainerConfig): RunOptions {
  const publish = options.publish ?? [];
  const declared = Object.keys(config.ExposedPorts ?? {}).flatMap((port) => parsePublish(port));
  const missing = declared.filter(
    (port) =>
      !publish.some(
        ({ containerPort, protocol }) => containerPort === port.containerPort && protocol === port.protocol,
      ),
  );
  return { ...options, publish: [...publish, ...missing] };
}

const memoryUnits: Readonly<Record<string, number>> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };
/** What Docker asks for at least; less does not hold a process. */
const leastMemory = 6 * 2 ** 20;

/**
 * Bytes from what `--memory` takes: a number with `b`, `k`, `m` or `g`.
 *
 * @throws WhittleError `USAGE`
 */
export function parseMemory(text: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)([bkmg])?b?$/i.exec(text);
  const bytes = Math.floor(Number(match?.[1]) * (memoryUnits[match?.[2]?.toLowerCase() ?? "b"] ?? 1));
  if (match === null || !Number.isSafeInteger(bytes)) {
    throw new WhittleError("USAGE", `Cannot limit memory to "${text}": a number with b, k, m or g is wanted`);
  }
  if (bytes >= leastMemory) return bytes;
  throw new WhittleError("USAGE", `Cannot limit memory to ${text}: at least 6m is wanted`);
}

/** Variables from files, then those of the flags.
 *
 * @throws WhittleError `NOT_FOUND` for a file, `USAGE`
 */
export async function environmentOf(
  flags: Pick<RunFlags, "env" | "envFile">,
  directory: string,
  environment: Environment,
): Promise<string[]> {
  const files = await Promise.all(
    flags.envFile.map((path) => readEnvironmentFile(path, directory, environment)),
  );
  return [...files.flat(), ...environmentLines(flags.env, environment)];
}

function absolute(path: string): string {
  if (path.startsWith("/")) return path;
  throw new WhittleError("USAGE", `Cannot use the working directory "${path}": it must begin with a slash`);
}

function nameServer(text: string): string {
  if (isIP(text) !== 0) return text;
  throw new WhittleError("USAGE", `Cannot ask the name server "${text}": an IP address is wanted`);
}

function networkMode(text: string): NetworkMode {
  const mode = (["default", "none", "host"] as const).find((name) => name === text);
  if (mode !== undefined) return mode;
  throw new WhittleError("USAGE", `Cannot use the network "${text}": default, none and host are possible`);
}

function driverName(text: string): DriverName {
  const name = driverNames.find((candidate) => candidate === text);
  if (name !== undefined) return name;
  throw new WhittleError("USAGE", `Cannot run by "${text}": ${driverNames.join(", ")} are possible`);
}

function positive(text: string, flag: string): number {
  const value = Number(text);
  if (text !== "" && Number.isFinite(value) && value > 0) return value;
  throw new WhittleError("USAGE", `Cannot read ${flag} "${text}": a number above 0 is wanted`);
}

function whole(text: string, flag: string): number {
  const value = positive(text, flag);
  if (Number.isInteger(value)) return value;
  throw new WhittleError("USAGE", `Cannot read ${flag} "${text}": a whole number is wanted`);
}
