import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { PackageRecord, Resolution } from "../debian/index.ts";
import { formatPlatform } from "../image/index.ts";
import {
  explainSystemError,
  isSystemError,
  WhittleError,
  type Work,
  writeFileAtomically,
} from "../io/index.ts";
import type { BuiltImage } from "./build.ts";
import type { DockerfileLock } from "./dockerfile-lock.ts";
import type { Project } from "./read.ts";

/** A package as a lock file records it: enough to fetch and verify it, without saying from which mirror. */
type LockedPackage = Omit<PackageRecord, "mirror">;

/** What a build chose, by image and platform. */
export interface Lock {
  readonly version: 1;
  readonly images: Readonly<Record<string, Readonly<Record<string, LockedPlatform>>>>;
  /** What builds of Dockerfiles took from outside, by the Dockerfile's path; of a project, by {@link lockedDockerfileName}. */
  readonly dockerfiles?: Readonly<Record<string, DockerfileLock>>;
}

interface LockedPlatform {
  readonly architecture: string;
  /** Of a full system: the names of its base, and those that somebody asked for. */
  readonly base?: readonly string[];
  readonly manual?: readonly string[];
  readonly packages: readonly LockedPackage[];
}

/** Where the lock file of a project lies. */
export function lockPath(project: Project): string {
  return join(project.directory, "whittle.lock");
}

/**
 * Reads a project's lock file.
 *
 * @returns nothing when there is none
 * @throws WhittleError `RECIPE_INVALID` when it is not one
 */
export function readLock(project: Project): Promise<Lock | undefined> {
  return readLockFile(lockPath(project));
}

async function readLockFile(path: string): Promise<Lock | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isSystemError(error) && error.code === "ENOENT") return undefined;
    throw explainSystemError(error, `read ${path}`);
  }
  try {
    const { lockSchema } = await import("./lock-schema.ts");
    return lockSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new WhittleError(
      "RECIPE_INVALID",
      `Cannot read ${path}: it is not a lock file that whittle wrote`,
      {
        hint: "delete it; a build without --locked writes it again",
        cause: error,
      },
    );
  }
}

/** The choice of packages that a lock holds for a platform of an image. */
export function lockedResolution(lock: Lock, image: string, platform: string): Resolution | undefined {
  const locked = lock.images[image]?.[platform];
  if (locked === undefined) return undefined;
  const { packages: _, ...about } = locked;
  return {
    ...about,
    packages: locked.packages.map((one) => ({ ...one, mirror: "" })),
  };
}

/** Writes what a build chose; other images and platforms of the file stay, an equal file is not touched. */
export async function updateLock(project: Project, built: readonly BuiltImage[], work: Work): Promise<void> {
  const path = lockPath(project);
  const written = await readFile(path, "utf8").catch(() => undefined);
  const before = written === undefined ? undefined : recorded(written);
  const images: Record<string, Record<string, LockedPlatform>> = {};
  for (const [name, platforms] of Object.entries(before?.images ?? {})) {
    if (name in project.recipe.images) images[name] = { ...platforms };
  }
  for (const image of built) {
    for (const { platform, resolution } of image.platforms) {
      if (resolution === undefined) continue;
      const platforms = images[image.name] ?? {};
      platforms[formatPlatform(platform)] = lockedPlatform(resolution);
      images[image.name] = platforms;
    }
  }
  const dockerfiles = takenByImages(project, built, before?.dockerfiles ?? {});
  if (Object.keys({ ...images, ...dockerfiles }).length === 0) return;
  const lock: Lock = {
    version: 1,
    images: sorted(images),
    ...(Object.keys(dockerfiles).length === 0 ? {} : { dockerfiles }),
  };
  await writeLock(path, lock, written, work);
}

/** Under which name a lock says what the Dockerfile of a project's image took: several images may share one. */
export function lockedDockerfileName(dockerfile: string, image: string): string {
  return `${dockerfile}#${image}`;
}

/** What is recorded of Dockerfiles with that of the images that were built; images that are no more are left out. */
function takenByImages(
  project: Project,
  built: readonly BuiltImage[],
  before: NonNullable<Lock["dockerfiles"]>,
): NonNullable<Lock["dockerfiles"]> {
  const { images } = project.recipe;
  const names = new Map<string, string>();
  for (const [image, { dockerfile }] of Object.entries(images)) {
    if (dockerfile !== undefined) names.set(image, lockedDockerfileName(dockerfile, image));
  }
  const known = new Set(names.values());
  const all = new Map(Object.entries(before).filter(([name]) => !name.includes("#") || known.has(name)));
  for (const { name: image, taken } of built) {
    const name = names.get(image);
    if (taken === undefined || name === undefined) continue;
    const nothing = Object.keys({ ...taken.bases, ...taken.sources }).length === 0;
    if (!nothing || all.has(name)) all.set(name, merged(all.get(name), taken));
  }
  return Object.fromEntries([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function writeLock(path: string, lock: Lock, written: string | undefined, work: Work): Promise<void> {
  const text = `${JSON.stringify(lock, undefined, 1)}\n`;
  if (text === written) return;
  await writeFileAtomically(path, text).catch(() => {
    work.progress({
      kind: "warning",
      text: `${path} could not be written: this build cannot be repeated with --locked`,
    });
  });
}

/**
 * What an earlier build of a Dockerfile took from outside.
 *
 * @param path - of the lock file
 * @param dockerfile - its path as the lock names it
 * @throws WhittleError `NOT_FOUND` when nothing is recorded, `RECIPE_INVALID` when the file is something else
 */
export async function readDockerfileLock(path: string, dockerfile: string): Promise<DockerfileLock> {
  const lock = await readLockFile(path);
  const found = lock?.dockerfiles?.[dockerfile];
  if (found !== undefined) return found;
  const reason = lock === undefined ? `there is no ${path}` : `${path} does not record ${dockerfile}`;
  throw new WhittleError("NOT_FOUND", `Cannot build with --locked: ${reason}`, {
    hint: "build once without --locked to write it",
  });
}

/** Writes what a build of a Dockerfile took; what the file says of others stays, an equal file is not touched. */
export async function updateDockerfileLock(
  path: string,
  dockerfile: string,
  taken: DockerfileLock,
  work: Work,
): Promise<void> {
  const written = await readFile(path, "utf8").catch(() => undefined);
  const before = written === undefined ? undefined : recorded(written);
  if (before === undefined && written !== undefined) return;
  const former = before?.dockerfiles ?? {};
  const nothing = Object.keys({ ...taken.bases, ...taken.sources }).length === 0;
  if (nothing && former[dockerfile] === undefined) return;
  const dockerfiles = Object.entries({ ...former, [dockerfile]: merged(former[dockerfile], taken) });
  const lock: Lock = {
    version: 1,
    images: before?.images ?? {},
    dockerfiles: Object.fromEntries(dockerfiles.sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  await writeLock(path, lock, written, work);
}

/** Platforms that this build was not for stay as they were, for bases that it took. */
function merged(before: DockerfileLock | undefined, taken: DockerfileLock): DockerfileLock {
  const bases = Object.entries(taken.bases).map(([name, platforms]) => {
    const all = { ...before?.bases[name], ...platforms };
    return [name, Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)))] as const;
  });
  return { bases: Object.fromEntries(bases), sources: taken.sources };
}

/** What a file that is about to be replaced records; schemas are not worth loading for what is only carried over. */
function recorded(text: string): Lock | undefined {
  try {
    const lock = JSON.parse(text) as Lock | null;
    return lock?.version === 1 && typeof lock.images === "object" ? lock : undefined;
  } catch {
    return undefined;
  }
}

function lockedPlatform(resolution: Resolution): LockedPlatform {
  const packages = resolution.packages.map(({ mirror: _, ...rest }) => rest);
  return { ...resolution, packages };
}

function sorted<T>(images: Record<string, Record<string, T>>): Record<string, Record<string, T>> {
  const inOrder = <V>(record: Record<string, V>): Record<string, V> =>
    Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
  return inOrder(
    Object.fromEntries(Object.entries(images).map(([name, platforms]) => [name, inOrder(platforms)])),
  );
}
