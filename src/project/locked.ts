import type { Resolution } from "../debian/index.ts";
import { WhittleError } from "../io/index.ts";
import type { DockerfileLock } from "./dockerfile-lock.ts";
import { type Lock, lockedDockerfileName, lockedResolution, lockPath, readLock } from "./lock.ts";
import type { Project } from "./read.ts";

/**
 * The lock of a project that is to be built as it says.
 *
 * @throws WhittleError `NOT_FOUND` when there is none, `RECIPE_INVALID`
 */
export async function wantedLock(project: Project): Promise<Lock> {
  const lock = await readLock(project);
  if (lock !== undefined) return lock;
  throw new WhittleError("NOT_FOUND", `Cannot build with --locked: there is no ${lockPath(project)}`, {
    hint: "build once without --locked to write it",
  });
}

/** @throws WhittleError `NOT_FOUND` when the lock has no packages for a platform of an image */
export function wantedResolution(lock: Lock, image: string, platform: string): Resolution {
  const resolution = lockedResolution(lock, image, platform);
  if (resolution !== undefined) return resolution;
  throw new WhittleError(
    "NOT_FOUND",
    `Cannot build ${image} for ${platform} with --locked: whittle.lock does not record it`,
    {
      hint: "build it once without --locked",
    },
  );
}

/** @throws WhittleError `NOT_FOUND` when the lock does not say what the Dockerfile of an image took */
export function wantedDockerfile(lock: Lock, image: string, dockerfile: string): DockerfileLock {
  const taken = lock.dockerfiles?.[lockedDockerfileName(dockerfile, image)];
  if (taken !== undefined) return taken;
  throw new WhittleError(
    "NOT_FOUND",
    `Cannot build ${image} with --locked: whittle.lock does not record ${dockerfile}`,
    { hint: "build it once without --locked" },
  );
}
