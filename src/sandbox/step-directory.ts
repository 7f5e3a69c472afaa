import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  cacheDirectory,
  type Environment,
  isAlive,
  makeDirectories,
  type ProcessIdentity,
  thisProcess,
} from "../io/index.ts";
import { removeControlGroups } from "./control-groups.ts";
import { removeDirectoryAs } from "./fill.ts";
import { choosePrivilege, type Privilege } from "./privilege.ts";

/** Where the steps of builds do their work, each in a directory of its own. */
export function stepsDirectory(environment: Environment): string {
  return join(cacheDirectory(environment), "steps");
}

/** The directory of one step, and the id by which runtimes know it. */
export interface StepDirectory {
  readonly id: string;
  readonly path: string;
}

/**
 * Makes the directory of a step, in which the given ones are found as `lowers/0`, `lowers/1`… It says whose it is,
 * so that it can be removed when that process was killed.
 */
export async function makeStepDirectory(
  lowers: readonly string[],
  environment: Environment,
): Promise<StepDirectory> {
  const steps = stepsDirectory(environment);
  await makeDirectories(steps);
  const id = randomBytes(16).toString("hex");
  const path = join(steps, id);
  // The step's user has to get through to its root.
  await mkdir(path, { mode: 0o755 });
  await writeFile(join(path, ownerFile), JSON.stringify(thisProcess()));
  for (const name of ["root", "upper", "work", "runtime", "lowers"]) await mkdir(join(path, name));
  for (const [index, lower] of lowers.entries()) await symlink(lower, join(path, "lowers", String(index)));
  return { id, path };
}

/** Removes a step's directory and what its runtime may have left. */
export async function removeStepDirectory({ id, path }: StepDirectory, privilege: Privilege): Promise<void> {
  await removeDirectoryAs(path, privilege);
  if (privilege === "root") await removeControlGroups(id);
}

const ownerFile = "owner.json";
const hour = 3_600_000;

let swept: Promise<void> | undefined;

/** Removes what steps left whose process was killed; looks once. */
export function removeAbandonedSteps(environment: Environment): Promise<void> {
  swept ??= sweep(environment);
  return swept;
}

async function sweep(environment: Environment): Promise<void> {
  const steps = stepsDirectory(environment);
  const privilege = await choosePrivilege(environment);
  for (const id of await readdir(steps).catch(() => [] as string[])) {
    const path = join(steps, id);
    if (await isAbandoned(path)) await removeStepDirectory({ id, path }, privilege).catch(() => undefined);
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  const text = await readFile(join(path, ownerFile), "utf8").catch(() => undefined);
  const alive = text === undefined ? "unknown" : ownerIsAlive(text);
  if (alive !== "unknown") return !alive;
  const about = await stat(path).catch(() => undefined);
  return about !== undefined && Date.now() - about.mtimeMs > hour;
}

function ownerIsAlive(text: string): boolean | "unknown" {
  try {
    return isAlive(JSON.parse(text) as ProcessIdentity);
  } catch {
    return "unknown";
  }
}
