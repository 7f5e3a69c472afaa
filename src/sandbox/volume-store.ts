import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  dataDirectory,
  type Environment,
  explainSystemError,
  isSystemError,
  makeDirectories,
  WhittleError,
  writeFileAtomically,
} from "../io/index.ts";
import { resolveInside } from "./inside.ts";
import type { RunnableImage } from "./options.ts";
import { asNamespaceRoot, choosePrivilege, type Privilege } from "./privilege.ts";
import { runQuietly } from "./signal.ts";
import { listContainers } from "./state.ts";
import { volumeName } from "./volumes.ts";

/** A directory that is kept for containers. */
export interface StoredVolume {
  readonly name: string;
  /** The directory itself; absolute. */
  readonly place: string;
  /** ISO 8601. */
  readonly created: string;
  /** It was made for a single container. */
  readonly anonymous: boolean;
}

/** Where the volumes of this person are. */
export function volumesDirectory(environment: Environment = process.env): string {
  return join(dataDirectory(environment), "volumes");
}

/** All volumes by name. */
export async function listVolumes(environment: Environment = process.env): Promise<StoredVolume[]> {
  const names = await readdir(volumesDirectory(environment)).catch(() => [] as string[]);
  const volumes = await Promise.all(names.sort().map((name) => openVolume(name, environment)));
  return volumes.filter((volume) => volume !== undefined);
}

/**
 * Finds a volume.
 *
 * @throws WhittleError `NOT_FOUND`
 */
export async function findVolume(
  name: string,
  environment: Environment = process.env,
): Promise<StoredVolume> {
  const found = await openVolume(volumeName(name), environment);
  if (found !== undefined) return found;
  throw new WhittleError("NOT_FOUND", `Cannot find the volume "${name}": there is none of that name`, {
    hint: "whittle volume ls lists the volumes",
  });
}

/** Makes a volume where there is none of that name, and answers with the one that there is then. */
export async function makeVolume(
  name: string | undefined,
  environment: Environment = process.env,
): Promise<StoredVolume> {
  const own = name === undefined ? newVolumeName() : volumeName(name);
  const found = await openVolume(own, environment);
  if (found !== undefined) return found;
  const directory = volumesDirectory(environment);
  const temporary = join(directory, `.${own}.${randomBytes(6).toString("hex")}`);
  try {
    await makeDirectories(directory, 0o711);
    await mkdir(join(temporary, "data"), { recursive: true });
    const about = { created: new Date().toISOString(), anonymous: name === undefined };
    await writeFileAtomically(join(temporary, "volume.json"), `${JSON.stringify(about)}\n`);
    await rename(temporary, join(directory, own)).catch(async (error: NodeJS.ErrnoException) => {
      // Another process was faster.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
    return await findVolume(own, environment);
  } catch (error) {
    throw explainSystemError(error, `make the volume ${own}`);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** A name for a volume without one: 64 hex digits, as Docker's. */
function newVolumeName(): string {
  return randomBytes(32).toString("hex");
}

/**
 * Removes a volume with all that is in it.
 *
 * @throws WhittleError `NOT_FOUND`; `USAGE` while a container has it
 */
export async function removeVolume(name: string, environment: Environment = process.env): Promise<void> {
  await findVolume(name, environment);
  const user = (await listContainers(environment)).find(({ mounts }) =>
    mounts.some(({ kind, source }) => kind === "volume" && source === name),
  );
  if (user !== undefined) {
    throw new WhittleError("USAGE", `Cannot remove the volume ${name}: the container ${user.name} has it`, {
      hint: `whittle rm ${user.status === "exited" ? "" : "-f "}${user.name}`,
    });
  }
  await discardVolume(name, environment);
}

/** Removes a volume, whoever has it; nothing happens when there is none. */
export async function discardVolume(name: string, environment: Environment): Promise<void> {
  const directory = volumesDirectory(environment);
  const gone = join(directory, `.${name}.${randomBytes(6).toString("hex")}`);
  const renamed = await rename(join(directory, name), gone).then(
    () => true,
    () => false,
  );
  if (!renamed) return;
  // Files in a volume may belong to subordinate ids; then only root of the user namespace may remove them.
  const privilege = await choosePrivilege(environment);
  await runQuietly([...asNamespaceRoot(privilege), "rm", "-rf", "--", gone]);
}

/**
 * Gives a volume in which nothing is yet what an image has at its destination, with its owner and mode (as Docker
 * does).
 */
export async function fillVolume(
  { place, name }: StoredVolume,
  image: RunnableImage,
  destination: string,
  privilege: Privilege,
): Promise<void> {
  if (!(await isEmpty(place))) return;
  const source = await resolveInside(image.rootfs, destination);
  if (source === undefined || !(await stat(source)).isDirectory()) return;
  const status = await runQuietly([
    ...asNamespaceRoot(privilege),
    ...["cp", "-a", "--", `${source}/.`, `${place}/`],
  ]);
  if (status === 0) return;
  throw new WhittleError("ENVIRONMENT", `Cannot fill the volume ${name}: copying ${destination} failed`);
}

/** A directory that we may not read belongs to a subordinate id already, so a container has had it. */
async function isEmpty(place: string): Promise<boolean> {
  try {
    return (await readdir(place)).length === 0;
  } catch (error) {
    if (isSystemError(error) && error.code === "EACCES") return false;
    throw error;
  }
}

async function openVolume(name: string, environment: Environment): Promise<StoredVolume | undefined> {
  const directory = join(volumesDirectory(environment), name);
  try {
    const about = JSON.parse(await readFile(join(directory, "volume.json"), "utf8")) as Partial<StoredVolume>;
    const anonymous = about.anonymous === true;
    return { name, place: join(directory, "data"), created: String(about.created), anonymous };
  } catch {
    return undefined;
  }
}
