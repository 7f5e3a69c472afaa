export { parseDuration } from "./duration.ts";
export { gitVariables } from "./git.ts";
export type { GraphOptions, PlatformGraph } from "./graph.ts";
export { annotationsOf, imageGraph } from "./graph.ts";
export { loadRecipe } from "./load.ts";
export type { ImageRecipe, ProbeRecipe, ProjectRecipe } from "./types.ts";
export { variablesIn } from "./variables.ts";
