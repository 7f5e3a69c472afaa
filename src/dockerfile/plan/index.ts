export type {
  Asked,
  BaseImage,
  ImageForm,
  NamedContext,
  PlannedDockerfile,
  PlanOptions,
  PlanWarning,
} from "./options.ts";
export { planDockerfile } from "./plan.ts";
