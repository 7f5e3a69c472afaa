import type { SourceLocation } from "../../io/index.ts";
import type { Warning } from "../statements.ts";

/** Makes the warning of one rule, at a place, with the words that its message names. */
type Rule<Words extends readonly (string | undefined)[]> = (at: SourceLocation, ...words: Words) => Warning;

function rule<Words extends readonly (string | undefined)[]>(
  name: string,
  message: (...words: Words) => string,
) {
  return (at: SourceLocation, ...words: Words): Warning => ({ rule: name, message: message(...words), at });
}

function suggested(word: string | undefined): string {
  return word === undefined ? "" : ` (did you mean ${word}?)`;
}

/** The build checks of BuildKit 0.25, each with its message word for word (docs.docker.com/reference/build-checks). */
export const rules = {
  stageNameCasing: rule("StageNameCasing", (name: string) => `Stage name '${name}' should be lowercase`),
  fromAsCasing: rule(
    "FromAsCasing",
    (from: string, as: string) => `'${as}' and '${from}' keywords' casing do not match`,
  ),
  noEmptyContinuation: rule("NoEmptyContinuation", () => "Empty continuation line"),
  consistentInstructionCasing: rule(
    "ConsistentInstructionCasing",
    (keyword: string, wanted: string) =>
      `Command '${keyword}' should match the case of the command majority (${wanted})`,
  ),
  duplicateStageName: rule(
    "DuplicateStageName",
    (name: string) => `Duplicate stage name ${JSON.stringify(name)}, stage names should be unique`,
  ),
  reservedStageName: rule(
    "ReservedStageName",
    (name: string) => `Stage name should not use the same name as reserved stage ${JSON.stringify(name)}`,
  ),
  jsonArgsRecommended: rule(
    "JSONArgsRecommended",
    (keyword: string) =>
      `JSON arguments recommended for ${keyword} to prevent unintended behavior related to OS signals`,
  ),
  maintainerDeprecated: rule(
    "MaintainerDeprecated",
    () => "Maintainer instruction is deprecated in favor of using label",
  ),
  undefinedArgInFrom: rule(
    "UndefinedArgInFrom",
    (name: string, meant: string | undefined) => `FROM argument '${name}' is not declared${suggested(meant)}`,
  ),
  workdirRelativePath: rule(
    "WorkdirRelativePath",
    (path: string) =>
      `Relative workdir ${JSON.stringify(path)} can have unexpected results if the base image changes`,
  ),
  undefinedVar: rule(
    "UndefinedVar",
    (name: string, meant: string | undefined) =>
      `Usage of undefined variable '$${name}'${suggested(meant === undefined ? undefined : `$${meant}`)}`,
  ),
  multipleInstructionsDisallowed: rule(
    "MultipleInstructionsDisallowed",
    (keyword: string) =>
      `Multiple ${keyword} instructions should not be used in the same stage because only the last one will be used`,
  ),
  legacyKeyValueFormat: rule(
    "LegacyKeyValueFormat",
    (keyword: string) =>
      `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`,
  ),
  invalidBaseImagePlatform: rule(
    "InvalidBaseImagePlatform",
    (image: string, wanted: string, found: string) =>
      `Base image ${image} was pulled with platform ${JSON.stringify(found)}, expected ${JSON.stringify(wanted)} for current build`,
  ),
  redundantTargetPlatform: rule(
    "RedundantTargetPlatform",
    (platform: string) =>
      `Setting platform to predefined ${platform} in FROM is redundant as this is the default behavior`,
  ),
  secretsUsedInArgOrEnv: rule(
    "SecretsUsedInArgOrEnv",
    (keyword: string, name: string) =>
      `Do not use ARG or ENV instructions for sensitive data (${keyword} ${JSON.stringify(name)})`,
  ),
  invalidDefaultArgInFrom: rule(
    "InvalidDefaultArgInFrom",
    (base: string) => `Default value for ARG ${base} results in empty or invalid base image name`,
  ),
  fromPlatformFlagConstDisallowed: rule(
    "FromPlatformFlagConstDisallowed",
    (platform: string) => `FROM --platform flag should not use constant value ${JSON.stringify(platform)}`,
  ),
  copyIgnoredFile: rule(
    "CopyIgnoredFile",
    (verb: string, path: string) =>
      `Attempting to ${verb} file ${JSON.stringify(path)} that is excluded by .dockerignore`,
  ),
  invalidDefinitionDescription: rule(
    "InvalidDefinitionDescription",
    (keyword: string, name: string) =>
      `Comment for ${keyword} should follow the format: \`# ${name} <description>\``,
  ),
  exposeProtoCasing: rule(
    "ExposeProtoCasing",
    (port: string) => `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
  ),
  exposeInvalidFormat: rule(
    "ExposeInvalidFormat",
    (port: string) =>
      `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
  ),
} as const satisfies Readonly<Record<string, Rule<never>>>;

/** The rules that count only when they are asked for. */
export const experimentalRules: ReadonlySet<string> = new Set([
  "CopyIgnoredFile",
  "InvalidDefinitionDescription",
]);
