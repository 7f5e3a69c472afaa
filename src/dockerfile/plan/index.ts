export type {
  Asked,
  BaseImage,
  Entitlement,
  ImageForm,
  NamedContext,
  PlannedDockerfile,
  PlanOptions,
  PlanWarning,
} from "./options.ts";
export { entitlements } from "./options.ts";
export { planDockerfile } from "./plan.ts";
export type { Outline, OutlinedArgument, OutlinedMount } from "./stage-outline.ts";
