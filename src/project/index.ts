export type { BuildOptions, BuiltImage, BuiltPlatform, PlannedImage } from "./build.ts";
export { buildProject, plannedSimulations, plannedSteps, planProject } from "./build.ts";
export type { Project } from "./read.ts";
export { readProject } from "./read.ts";
