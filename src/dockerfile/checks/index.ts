export { checkPort } from "./expose.ts";
export { checkBase, checkFroms, type FromArguments, unlessInvalid } from "./from.ts";
export { StageChecks } from "./in-stage.ts";
export { rules } from "./rules.ts";
export { Violations } from "./violations.ts";
export { checkStatements, checkWritten } from "./written.ts";
