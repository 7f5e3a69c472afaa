export { Violations } from "./checks/index.ts";
export { csvFields } from "./csv.ts";
export { formatGitReference, type GitReference, parseGitReference } from "./git-reference.ts";
export { type HeredocMark, parseHeredoc, withoutLeadingTabs } from "./heredoc.ts";
export { type IgnoreMatcher, ignoreMatcher, parseIgnoreFile } from "./ignore.ts";
export { type IgnoreFile, readIgnoreFile } from "./ignore-file.ts";
export { type PathPattern, pathPattern } from "./ignore-pattern.ts";
export type {
  CommandForm,
  CopySource,
  Dockerfile,
  Heredoc,
  Instruction,
  Mount,
  Place,
  Stage,
} from "./instruction.ts";
export { type MisreadDockerfile, parseDockerfile, parseTrigger, readDockerfile } from "./parse.ts";
export { type MistakeDetails, mistake, pointAt } from "./place.ts";
export {
  type Asked,
  type BaseImage,
  type Entitlement,
  entitlements,
  type ImageForm,
  type NamedContext,
  type Outline,
  type OutlinedArgument,
  type OutlinedMount,
  type PlannedDockerfile,
  type PlanOptions,
  type PlanWarning,
  planDockerfile,
} from "./plan/index.ts";
export { parsePorts } from "./ports.ts";
export { readMounts } from "./read-run.ts";
export {
  type Expansion,
  type ExpansionOptions,
  expand,
  expandWord,
  expandWords,
  type Variables,
} from "./words.ts";
