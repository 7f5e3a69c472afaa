import { describe, expect, it } from "vitest";
import { type Given, violationsOf } from "./violations-fixture.ts";

type Case = readonly [title: string, source: string, found: readonly string[], given?: Given];

function secret(keyword: string, name: string): string {
  return `SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (${keyword} "${name}")`;
}

function once(keyword: string): string {
  return `MultipleInstructionsDisallowed: Multiple ${keyword} instructions should not be used in the same stage because only the last one will be used`;
}

function json(keyword: string): string {
  return `JSONArgsRecommended: JSON arguments recommended for ${keyword} to prevent unintended behavior related to OS signals`;
}

function casing(keyword: string, majority: string): string {
  return `ConsistentInstructionCasing: Command '${keyword}' should match the case of the command majority (${majority})`;
}

function defaults(base: string): string {
  return `InvalidDefaultArgInFrom: Default value for ARG ${base} results in empty or invalid base image name`;
}

// What each source is to be told was read off BuildKit's own tests (frontend/dockerfile/dockerfile_lint_test.go).
const cases: readonly Case[] = [
  [
    "a stage in capitals",
    "FROM scratch AS Big\n",
    ["1:17 StageNameCasing: Stage name 'Big' should be lowercase"],
  ],
  ["as unlike FROM", "FROM a as b\n", ["1:8 FromAsCasing: 'as' and 'FROM' keywords' casing do not match"]],
  [
    "AS unlike from",
    "from a AS b\nfrom a as c\n",
    ["1:8 FromAsCasing: 'AS' and 'from' keywords' casing do not match"],
  ],
  [
    "a blank line that is continued",
    "FROM a\nCOPY a \\\n\n.\nCOPY a \\\n.\n",
    ["4:1 NoEmptyContinuation: Empty continuation line"],
  ],
  ["a keyword in mixed case", "From a as b\nFROM a AS c\n", [`1:1 ${casing("From", "uppercase")}`]],
  [
    "a keyword in mixed case among small ones",
    "frOM a as b\nfrom a as c\n",
    [`1:1 ${casing("frOM", "lowercase")}`],
  ],
  [
    "a small keyword among capitals",
    "FROM a\ncopy a /b\nCOPY a /c\n",
    [`2:1 ${casing("copy", "uppercase")}`],
  ],
  [
    "a large keyword among small ones",
    "FROM a\ncopy a /b\ncopy a /c\ncopy a /d\n",
    [`1:1 ${casing("FROM", "lowercase")}`],
  ],
  ["keywords alike", "from a\ncopy a /b\n", []],
  ["global arguments in another case", "arg A=b\nFROM $A\n", []],
  [
    "a stage name twice",
    "FROM a AS b\nFROM a AS b\n",
    ['2:11 DuplicateStageName: Duplicate stage name "b", stage names should be unique'],
  ],
  [
    "names that mean something else",
    "FROM scratch AS scratch\nFROM a AS context\n",
    [
      '1:17 ReservedStageName: Stage name should not use the same name as reserved stage "scratch"',
      '2:11 ReservedStageName: Stage name should not use the same name as reserved stage "context"',
    ],
  ],
  [
    "commands for a shell",
    "FROM a\nCMD b\nENTRYPOINT c\n",
    [`2:1 ${json("CMD")}`, `3:1 ${json("ENTRYPOINT")}`],
  ],
  ["commands for a chosen shell", 'FROM a\nSHELL ["b"]\nCMD c\n', []],
  ["commands for the shell of the stage below", 'FROM a AS b\nSHELL ["c"]\nFROM b\nENTRYPOINT d\n', []],
  ["commands for the shell of the base", "FROM a\nCMD b\n", [], { base: { Shell: ["/bin/bash"] } }],
  [
    "MAINTAINER",
    "FROM a\nMAINTAINER me\n",
    ["2:1 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label"],
  ],
  ["declared arguments in FROM", "ARG a=b\nARG D\nFROM --platform=$BUILDPLATFORM $a${D}\n", []],
  [
    "an argument that is nearly a platform's",
    "FROM --platform=linux/${TARGTARCH:-amd64} scratch\n",
    ["1:25 UndefinedArgInFrom: FROM argument 'TARGTARCH' is not declared (did you mean TARGETARCH?)"],
  ],
  [
    "an argument in FROM that nobody declared",
    "ARG t=1\nFROM a:${t}${version} AS b\n",
    ["2:14 UndefinedArgInFrom: FROM argument 'version' is not declared"],
  ],
  [
    "a relative WORKDIR",
    "FROM a\nWORKDIR app/\nWORKDIR more\n",
    [
      '2:9 WorkdirRelativePath: Relative workdir "app/" can have unexpected results if the base image changes',
    ],
  ],
  ["a WORKDIR relative to that of a stage below", "FROM a AS b\nWORKDIR /x\nFROM b\nWORKDIR y\n", []],
  ["a variable of a stage below", "FROM a AS b\nARG f=x\nFROM b\nCOPY $f .\n", []],
  ["an argument without a value", "FROM a\nARG f\nCOPY x${f} .\n", []],
  [
    "a variable before it is set",
    "FROM a\nCOPY ${foo} .\nARG foo=b\n",
    ["2:6 UndefinedVar: Usage of undefined variable '$foo'"],
  ],
  [
    "a variable that is nearly another",
    "FROM a\nARG DIR_ASSETS=b\nCOPY $DIR_ASSET .\n",
    ["3:6 UndefinedVar: Usage of undefined variable '$DIR_ASSET' (did you mean $DIR_ASSETS?)"],
  ],
  [
    "a misspelt PATH",
    "FROM a\nENV PATH=$PAHT:/b\n",
    ["2:10 UndefinedVar: Usage of undefined variable '$PAHT' (did you mean $PATH?)"],
  ],
  [
    "a variable in a heredoc",
    "FROM a\nCOPY <<E /b\n$none\nE\n",
    ["2:1 UndefinedVar: Usage of undefined variable '$none'"],
  ],
  [
    "instructions of which one counts",
    'FROM a\nENTRYPOINT ["b"]\nCMD ["b"]\nHEALTHCHECK CMD ["b"]\nEXPOSE 1\nENTRYPOINT ["c"]\nCMD ["c"]\nHEALTHCHECK NONE\n',
    [`2:1 ${once("ENTRYPOINT")}`, `3:1 ${once("CMD")}`, `4:1 ${once("HEALTHCHECK")}`],
  ],
  ["those of another stage", 'FROM a AS b\nCMD ["c"]\nFROM b\nCMD ["d"]\n', []],
  [
    "names and values without =",
    "FROM a\nENV b c\nLABEL d e\nENV f=g\n",
    ["ENV", "LABEL"].map(
      (word, index) =>
        `${index + 2}:1 LegacyKeyValueFormat: "${word} key=value" should be used instead of legacy "${word} key value" format`,
    ),
  ],
  [
    "a platform that is the default",
    "FROM --platform=${TARGETPLATFORM} a\n",
    [
      "1:17 RedundantTargetPlatform: Setting platform to predefined ${TARGETPLATFORM} in FROM is redundant as this is the default behavior",
    ],
  ],
  [
    "secrets",
    "FROM a\nARG SECRET_PHRASE\nENV SUPER_Secret=b\nENV password=b sunflower=c\nARG super_token=b\nENV PUBLIC_KEY= keyboard=b\n",
    [
      `2:5 ${secret("ARG", "SECRET_PHRASE")}`,
      `3:5 ${secret("ENV", "SUPER_Secret")}`,
      `4:5 ${secret("ENV", "password")}`,
      `5:5 ${secret("ARG", "super_token")}`,
    ],
  ],
  ["a tag without a default", "ARG V\nFROM a:$V\n", [`2:6 ${defaults("a:$V")}`], { arguments: { V: "1" } }],
  ["a base without a default", "ARG I\nFROM $I\n", [`2:6 ${defaults("$I")}`], { arguments: { I: "a" } }],
  ["a suffix without a default", "ARG S\nFROM a:b$S\n", [], { arguments: { S: "-c" } }],
  [
    "a constant platform",
    "FROM --platform=linux/amd64 a\n",
    [
      '1:17 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"',
    ],
  ],
  ["a constant platform that the stage is named for", "FROM --platform=linux/amd64 a AS my_amd64\n", []],
  [
    "a base for another platform",
    "FROM a\n",
    [
      '1:6 InvalidBaseImagePlatform: Base image a was pulled with platform "linux/arm64", expected "linux/amd64" for current build',
    ],
    { architecture: "arm64" },
  ],
  [
    "a protocol in capitals",
    "FROM a\nEXPOSE 80/TcP 81/udp\n",
    ["2:8 ExposeProtoCasing: Defined protocol '80/TcP' in EXPOSE instruction should be lowercase"],
  ],
  [
    "ports of the host",
    "FROM a\nEXPOSE 127.0.0.1:80:80 81:81\n",
    ["127.0.0.1:80:80", "81:81"].map(
      (port, index) =>
        `2:${index === 0 ? 8 : 24} ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
    ),
  ],
  [
    "experimental rules that nobody asked for",
    "# about it\nFROM a AS b\nCOPY c d /\n",
    [],
    { ignored: ["c"] },
  ],
  [
    "sources that are ignored",
    "# check=skip=all;experimental=CopyIgnoredFile\nFROM a AS b\nCOPY ./c d/ /\nADD c /\nCOPY --from=e c /\n",
    [
      '3:6 CopyIgnoredFile: Attempting to Copy file "c" that is excluded by .dockerignore',
      '4:5 CopyIgnoredFile: Attempting to Add file "c" that is excluded by .dockerignore',
    ],
    { ignored: ["c"] },
  ],
  [
    "descriptions of nothing",
    "# check=experimental=all\n# bar is it\nARG foo=bar\n# BasE is it\nFROM scratch AS base\n# bad\nARG foo=baz bar=qux\n",
    [
      "3:1 InvalidDefinitionDescription: Comment for ARG should follow the format: `# foo <description>`",
      "5:1 InvalidDefinitionDescription: Comment for FROM should follow the format: `# base <description>`",
      "7:1 InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> <description>`",
    ],
  ],
  [
    "descriptions",
    "# check=experimental=InvalidDefinitionDescription\n# foo is it\nARG foo=bar\n\n# base is it\nFROM a AS base\n# baz is it\nARG foo=1 baz=2\n# far\n#\nARG bit=1\n# other\n\nARG c=1\n# x\nCOPY a .\n",
    [],
  ],
];

const named = cases.map(([title, source, found, given]) => ({ title, source, found, given }));

describe("build checks", () => {
  it.each(named)("tell of $title", async ({ source, found, given }) => {
    expect((await violationsOf(source, given)).found).toEqual(found);
  });

  it("tell of stages that are built, or of all", async () => {
    const source = "FROM a AS one\nENV b c\nFROM a AS two\nCOPY $d .\n";
    expect((await violationsOf(source)).found).toHaveLength(1);
    expect((await violationsOf(source, { target: "one" })).found).toEqual([
      expect.stringMatching(/^2:1 Legacy/),
    ]);
    expect((await violationsOf(source, { everyStage: true })).found).toHaveLength(2);
  });
});
