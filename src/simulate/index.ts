export type { Method } from "./file-name.ts";
export type { Route } from "./routes.ts";
export type { SimulateOptions, Simulation } from "./simulate.ts";
export { simulate } from "./simulate.ts";
