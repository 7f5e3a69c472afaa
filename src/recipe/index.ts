export { healthcheckOf } from "./config.ts";
export { parseDuration } from "./duration.ts";
export { emptinessOf } from "./emptiness.ts";
export { gitVariables } from "./git.ts";
export { imageGraph } from "./graph.ts";
export type { GraphOptions, PlatformGraph } from "./graph-parts.ts";
export { annotationsOf } from "./graph-parts.ts";
export { loadRecipe } from "./load.ts";
export { locateInRecipe } from "./locate.ts";
export type {
  BootstrapRecipe,
  ContextRecipe,
  ImageRecipe,
  ProbeRecipe,
  ProjectRecipe,
  ServiceRecipe,
} from "./types.ts";
export type { Variables } from "./variables.ts";
export { fillVariables, variablesIn } from "./variables.ts";
