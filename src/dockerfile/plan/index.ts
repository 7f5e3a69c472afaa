export type { BaseImage, PlannedDockerfile, PlanOptions } from "./options.ts";
export { planDockerfile } from "./plan.ts";
