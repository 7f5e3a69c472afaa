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
import type { Project } from "./read.ts";

/** A package as a lock file records it: enough to fetch and verify it, without saying from which mirror. */
type LockedPackage = Omit<PackageRecord, "mirror">;

/** What a build chose, by image and platform. */
export interface Lock {
  readonly version: 1;
  readonly images: Readonly<Record<string, Readonly<Record<string, LockedPlatform>>>>;
}

interface LockedPlatform {
  readonly architecture: string;
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
export async function readLock(project: Project): Promise<Lock | undefined> {
  const path = lockPath(project);
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
  return {
    architecture: locked.architecture,
    packages: locked.packages.map((one) => ({ ...one, mirror: "" })),
  };
}

/** Writes what a build chose; other images and platforms of the file stay, an equal file is not touched. */
export async function updateLock(project: Project, built: readonly BuiltImage[], work: Work): Promise<void> {
  const path = lockPath(project);
  const written = await readFile(path, "utf8").catch(() => undefined);
  const before = written === undefined ? undefined : recorded(written);
  const images: Record<string, Record<string, LockedPlatform>> = {};
  for (const [name, platforms] of Object.entries(before ?? {})) {
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
  const text = `${JSON.stringify({ version: 1, images: sorted(images) }, undefined, 1)}\n`;
  if (Object.keys(images).length === 0 || text === written) return;
  await writeFileAtomically(path, text).catch(() => {
    work.progress({
      kind: "warning",
      text: `${path} could not be written: this build cannot be repeated with --locked`,
    });
  });
}

/** What a file that is about to be replaced records; schemas are not worth loading for what is only carried over. */
function recorded(text: string): Lock["images"] | undefined {
  try {
    const lock = JSON.parse(text) as Partial<Lock> | null;
    return lock?.version === 1 ? lock.images : undefined;
  } catch {
    return undefined;
  }
}

function lockedPlatform(resolution: Resolution): LockedPlatform {
  const packages = resolution.packages.map(({ mirror: _, ...rest }) => rest);
  return { architecture: resolution.architecture, packages };
}

function sorted<T>(images: Record<string, Record<string, T>>): Record<string, Record<string, T>> {
  const inOrder = <V>(record: Record<string, V>): Record<string, V> =>
    Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
  return inOrder(
    Object.fromEntries(Object.entries(images).map(([name, platforms]) => [name, inOrder(platforms)])),
  );
}
