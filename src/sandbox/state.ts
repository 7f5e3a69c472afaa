import { randomBytes } from "node:crypto";
import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Environment,
  explainSystemError,
  makeDirectories,
  runtimeDirectory,
  WhittleError,
} from "../io/index.ts";
import type { Account } from "./accounts.ts";
import { readOr } from "./machine.ts";
import type { NetworkHold } from "./network.ts";
import type { DriverName, NetworkMode } from "./options.ts";
import type { PublishedPort } from "./ports.ts";
import type { Privilege } from "./privilege.ts";
import type { RestartPolicy } from "./restart.ts";
import type { SpecNamespace } from "./runtime-spec.ts";

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot at which it started (proc_pid_stat(5), field 22). */
  readonly start: string;
}

/** What a health check has come to (Docker's words). */
export interface Health {
  readonly status: "starting" | "healthy" | "unhealthy";
  readonly failingStreak: number;
  /** The end of the last check's output. */
  readonly output: string;
}

/** A directory or file of the machine that a container was given. */
export interface ShownMount {
  readonly kind: "bind" | "volume";
  /** The name of the volume, or the path on the machine. */
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
  /** The volume was made for this container alone, because its image asks for one there. */
  readonly anonymous?: boolean;
}

/** What is known of a container; kept as `state.json` in its directory. */
export interface ContainerState {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly digest?: string;
  readonly platform: string;
  readonly command: readonly string[];
  readonly driver: DriverName;
  readonly privilege: Privilege;
  /** `restarting` between the end of its program and the next start of it. */
  readonly status: "created" | "running" | "restarting" | "exited";
  readonly created: string;
  readonly started?: string;
  readonly finished?: string;
  /** The container's first process, as the machine counts. */
  readonly process?: ProcessIdentity;
  /** Whittle's process that waits for the container's end. */
  readonly supervisor: ProcessIdentity;
  readonly ports: readonly PublishedPort[];
  readonly health?: Health;
  readonly exitCode?: number;
  /** Why it could not be started. */
  readonly error?: string;
  readonly pod?: string;
  /** More names by which the other containers of the pod find it. */
  readonly aliases: readonly string[];
  /** Which network it is in, and where that is found when it is one of its own or its pod's. */
  readonly network: { readonly mode: NetworkMode; readonly hold?: NetworkHold };
  readonly restart: RestartPolicy;
  /** How often its program was started again. */
  readonly restarts: number;
  readonly mounts: readonly ShownMount[];
  readonly stopSignal: string;
  readonly remove: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** What a process that joins later starts from. */
  readonly joining: {
    readonly env: readonly string[];
    readonly cwd: string;
    readonly account: Account;
    readonly capAdd: readonly string[];
    readonly capDrop: readonly string[];
    readonly namespaces: readonly SpecNamespace[];
  };
}

/** Where all containers of this person have their directories. */
export function containersDirectory(environment: Environment = process.env): string {
  return join(runtimeDirectory(environment), "containers");
}

/** The directory of one container. */
export function containerDirectory(id: string, environment: Environment = process.env): string {
  return join(containersDirectory(environment), id);
}

/** A new container's id: 64 hex digits, as Docker's. */
export function newContainerId(): string {
  return randomBytes(32).toString("hex");
}

/** Writes the state so that a reader sees the old or the new one, never a part. */
export async function writeState(state: ContainerState, environment: Environment): Promise<void> {
  const directory = containerDirectory(state.id, environment);
  const temporary = join(directory, `.state.${process.pid}`);
  try {
    await writeFile(temporary, `${JSON.stringify(state, undefined, 1)}\n`, { mode: 0o600 });
    await rename(temporary, join(directory, "state.json"));
  } catch (error) {
    throw explainSystemError(error, `keep the state of container ${state.name}`);
  }
}

/** Reads a container's state, corrected where its supervisor died without a word. */
export async function readState(id: string, environment: Environment): Promise<ContainerState | undefined> {
  const before = await recordedState(id, environment);
  if (before === undefined || before.status === "exited" || isAlive(before.supervisor)) return before;
  // Nobody writes any more; what its supervisor wrote last may have come after that was read.
  const state = await recordedState(id, environment);
  if (state === undefined || state.status === "exited") return state;
  const running = state.process !== undefined && isAlive(state.process);
  return running ? state : { ...state, status: "exited", exitCode: state.exitCode ?? 137 };
}

async function recordedState(id: string, environment: Environment): Promise<ContainerState | undefined> {
  const path = join(containerDirectory(id, environment), "state.json");
  return parseState(await readFile(path, "utf8").catch(() => ""));
}

/**
 * Whether somebody stays with a container. One whose supervisor was killed runs on, but nobody keeps its output,
 * checks its health, answers its ports or notes its end.
 */
export function isAttended(state: ContainerState): boolean {
  return isAlive(state.supervisor);
}

/** All containers of this person, the newest first. */
export async function listContainers(environment: Environment = process.env): Promise<ContainerState[]> {
  const names = await readdir(containersDirectory(environment)).catch(() => [] as string[]);
  const states = await Promise.all(names.map((name) => readState(name, environment)));
  return states
    .filter((state) => state !== undefined)
    .sort((a, b) => (a.created < b.created ? 1 : a.created > b.created ? -1 : a.id < b.id ? -1 : 1));
}

/**
 * Finds a container by its name, its id or an unambiguous beginning of its id.
 *
 * @throws WhittleError `NOT_FOUND`
 */
export async function findContainer(
  reference: string,
  environment: Environment = process.env,
): Promise<ContainerState> {
  const all = await listContainers(environment);
  const exact = all.find(({ name, id }) => name === reference || id === reference);
  if (exact !== undefined) return exact;
  const beginning = /^[0-9a-f]+$/.test(reference) ? all.filter(({ id }) => id.startsWith(reference)) : [];
  const [only, second] = beginning;
  if (only !== undefined && second === undefined) return only;
  throw new WhittleError(
    "NOT_FOUND",
    second === undefined
      ? `Cannot find the container "${reference}": there is none of that name or id`
      : `Cannot find the container "${reference}": ${beginning.length} ids begin so, more digits are wanted`,
    { hint: "whittle ps --all lists the containers" },
  );
}

/** Who a process is, or nothing when there is no such process. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readOr(`/proc/${pid}/stat`, "");
  // The name of the program, in parentheses, may hold spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, start] = [fields[0], fields[19]];
  return start === undefined || state === "Z" || state === "X" ? undefined : { pid, start };
}

/** Whether this very process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.start === identity.start;
}

/** Makes the directory that all containers' directories are in; nobody else may look into it. */
export async function makeContainersDirectory(environment: Environment): Promise<string> {
  const directory = containersDirectory(environment);
  await makeDirectories(directory, 0o700).catch((error: unknown) => {
    throw explainSystemError(error, `make ${directory}`);
  });
  return directory;
}

function parseState(text: string): ContainerState | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const usable = typeof value === "object" && value !== null && "id" in value && "supervisor" in value;
    return usable ? (value as ContainerState) : undefined;
  } catch {
    return undefined;
  }
}
