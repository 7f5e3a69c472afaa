import type { BuiltImage } from "./build.ts";
import type { DockerfileOptions } from "./dockerfile-options.ts";

export { buildBootstrap } from "./bootstrap.ts";
export type { BuildOptions, BuiltImage, BuiltPlatform, PlannedImage } from "./build.ts";
export { buildProject, plannedSimulations, plannedSteps, planProject } from "./build.ts";
export type { DockerfileLock, DockerfileOptions } from "./dockerfile-options.ts";
export type { Project } from "./read.ts";
export { readProject } from "./read.ts";

/**
 * Builds the image of a Dockerfile into the store, without giving it a name. The front end is loaded when it is
 * first used: a build of a recipe does not wait for it.
 *
 * @throws WhittleError `DOCKERFILE_INVALID`, `NOT_FOUND` for a base image that the store does not have, and whatever
 *   a step fails with
 */
export async function buildDockerfile(options: DockerfileOptions): Promise<BuiltImage> {
  const front = await import("./dockerfile.ts");
  return front.buildDockerfile(options);
}
