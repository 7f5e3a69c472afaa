export type { AgentSource } from "./agents.ts";

import type { Step } from "../build/index.ts";
import type { ImageForm, Outline, Stage } from "../dockerfile/index.ts";
import type { BuiltImage } from "./build.ts";
import type { CheckedDockerfile } from "./dockerfile.ts";
import type { DockerfileOptions } from "./dockerfile-options.ts";

export type { ImageForm } from "../dockerfile/index.ts";
export { contextsBeside } from "./beside.ts";
export { buildBootstrap } from "./bootstrap.ts";
export type { BuildOptions, BuiltImage, BuiltPlatform, PlannedImage } from "./build.ts";
export { buildProject, planProject } from "./build.ts";
export type { CacheTarget } from "./cache-export.ts";
export type { CachePlace } from "./cache-place.ts";
export { Contexts } from "./contexts.ts";
export type { DockerfileLock } from "./dockerfile-lock.ts";
export type { DockerfileOptions } from "./dockerfile-options.ts";
export { readDockerfileLock, updateDockerfileLock } from "./lock.ts";
export type { MeantImage, RunBuildOptions } from "./meant-image.ts";
export { meantImage, runnableMeant } from "./meant-image.ts";
export { plannedSimulations, plannedSteps } from "./planned.ts";
export type { Project } from "./read.ts";
export { readProject } from "./read.ts";
export type { ServiceOptions, Services } from "./services.ts";
export { serviceContainer, startServices, takePlace } from "./services.ts";

const front = () => import("./dockerfile.ts");

/**
 * Builds the image of a Dockerfile into the store, without giving it a name. The front end is loaded when it is
 * first used: a build of a recipe does not wait for it.
 *
 * @throws WhittleError `DOCKERFILE_INVALID`, `NOT_FOUND` for a base image that the store does not have, and whatever
 *   a step fails with
 */
export async function buildDockerfile(options: DockerfileOptions): Promise<BuiltImage> {
  return (await front()).buildDockerfile(options);
}

/** Builds an image in several forms; whatever they share is done once. Throws as {@link buildDockerfile}. */
export async function buildDockerfileForms(
  options: DockerfileOptions,
  forms: readonly ImageForm[],
): Promise<BuiltImage[]> {
  return (await front()).buildDockerfileForms(options, forms);
}

/** The steps of a Dockerfile's build, inputs first; nothing is built. */
export async function planDockerfileBuild(options: DockerfileOptions): Promise<Step[]> {
  return (await front()).planDockerfileBuild(options);
}

/** The stages of a Dockerfile; nothing is built. */
export async function dockerfileStages(options: DockerfileOptions): Promise<readonly Stage[]> {
  return (await front()).dockerfileStages(options);
}

/** What can be given to a Dockerfile's target; its bases need not be there, and nothing is built. */
export async function outlineDockerfile(options: DockerfileOptions): Promise<Outline> {
  return (await front()).outlineDockerfile(options);
}

/** What is allowed in a Dockerfile and probably not meant, and what is wrong in it; its bases need not be there. */
export async function checkDockerfile(options: DockerfileOptions): Promise<CheckedDockerfile> {
  return (await front()).checkDockerfile(options);
}
