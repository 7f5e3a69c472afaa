export type { BuildOptions, BuiltImage, BuiltPlatform, PlannedImage } from "./build.ts";
export { buildProject, plannedSimulations, plannedSteps, planProject } from "./build.ts";
export type { DockerfileOptions } from "./dockerfile.ts";
export { buildDockerfile } from "./dockerfile.ts";
export type { Project } from "./read.ts";
export { readProject } from "./read.ts";
