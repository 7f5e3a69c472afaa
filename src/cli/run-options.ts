import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Environment, explainSystemError, WhittleError } from "../io/index.ts";
import {
  type DriverName,
  driverNames,
  type NetworkMode,
  parsePublish,
  parseSignal,
  parseTmpfs,
  parseVolume,
  type RunOptions,
} from "../sandbox/index.ts";
import { pairs } from "./options.ts";

/** The flags of `whittle run`, as commander gives them. */
export interface RunFlags {
  readonly detach?: boolean;
  readonly name?: string;
  readonly rm?: boolean;
  readonly publish: readonly string[];
  readonly env: readonly string[];
  readonly envFile: readonly string[];
  readonly volume: readonly string[];
  readonly tmpfs: readonly string[];
  readonly readOnly?: boolean;
  readonly user?: string;
  readonly workdir?: string;
  readonly entrypoint?: string;
  readonly hostname?: string;
  readonly platform?: string;
  readonly memory?: string;
  readonly cpus?: string;
  readonly pidsLimit?: string;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly network?: string;
  readonly init?: boolean;
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly pod?: string;
  readonly label: readonly string[];
  readonly stopSignal?: string;
  readonly driver?: string;
}

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
    volumes: flags.volume.map((text) => parseVolume(text, directory)),
    tmpfs: flags.tmpfs.map(parseTmpfs),
    ...(flags.memory === undefined ? {} : { memory: parseMemory(flags.memory) }),
    ...(flags.cpus === undefined ? {} : { cpus: positive(flags.cpus, "--cpus") }),
    ...(flags.pidsLimit === undefined ? {} : { pidsLimit: whole(flags.pidsLimit, "--pids-limit") }),
    capAdd: flags.capAdd,
    capDrop: flags.capDrop,
    ...(flags.network === undefined ? {} : { network: networkMode(flags.network) }),
    ...(flags.pod === undefined ? {} : { pod: flags.pod }),
    init: flags.init ?? false,
    terminal: flags.tty ?? false,
    interactive: flags.interactive ?? false,
    labels: pairs(flags.label, "--label"),
    ...(flags.stopSignal === undefined ? {} : { stopSignal: parseSignal(flags.stopSignal) }),
    remove: flags.rm ?? false,
    ...(flags.driver === undefined ? {} : { driver: driverName(flags.driver) }),
  };
}

/** `NAME=value`; a name alone takes the value from here, and is left out where there is none. */
export function environmentLines(lines: readonly string[], environment: Environment): string[] {
  return lines.flatMap((line) => {
    if (line.startsWith("=")) throw new WhittleError("USAGE", `Cannot set "${line}": the name is missing`);
    if (line.includes("=")) return [line];
    const value = environment[line];
    return value === undefined ? [] : [`${line}=${value}`];
  });
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

async function environmentOf(
  flags: RunFlags,
  directory: string,
  environment: Environment,
): Promise<string[]> {
  const files = await Promise.all(
    flags.envFile.map(async (name) => {
      const path = resolve(directory, name);
      const text = await readFile(path, "utf8").catch((error: unknown) => {
        throw explainSystemError(error, `read the environment file ${path}`);
      });
      return text
        .split(/\r?\n/)
        .map((line) => line.trimStart())
        .filter((line) => line !== "" && !line.startsWith("#"));
    }),
  );
  return environmentLines([...files.flat(), ...flags.env], environment);
}

function absolute(path: string): string {
  if (path.startsWith("/")) return path;
  throw new WhittleError("USAGE", `Cannot use the working directory "${path}": it must begin with a slash`);
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
