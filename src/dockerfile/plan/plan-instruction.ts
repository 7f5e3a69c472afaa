import type { Step } from "../../build/index.ts";
import { nearest } from "../../io/index.ts";
import { rules } from "../checks/index.ts";
import type { Instruction } from "../instruction.ts";
import { pointAt, suggestionLimit } from "../place.ts";
import { expand, expandWord } from "../words.ts";
import * as metadata from "./metadata.ts";
import type { PlanOptions } from "./options.ts";
import { planCopy } from "./plan-copy.ts";
import { planRun } from "./plan-run.ts";
import { planWorkdir } from "./plan-workdir.ts";
import type { StageState } from "./stage-state.ts";

/** What an instruction is planned with, beside the state of its stage. */
export interface InstructionSurroundings {
  readonly options: PlanOptions;
  /** The Dockerfile's escape character. */
  readonly escape: "\\" | "`";
  /** Arguments from before the first FROM. */
  readonly globals: ReadonlyMap<string, string>;
  /** The tree that a `from` of this instruction names; without one, the context. */
  readonly source: (name: string | undefined) => Promise<Step>;
}

/** Checks an instruction and brings the state of its stage to what it is afterwards. */
export async function planInstruction(
  state: StageState,
  instruction: Instruction,
  surroundings: InstructionSurroundings,
): Promise<void> {
  check(state, instruction, surroundings);
  const { options, escape: escapeWith, globals, source } = surroundings;
  const fill: metadata.Expand = (word, form) => filled(word, state, instruction, surroundings, form);
  switch (instruction.kind) {
    case "arg":
      return metadata.planArg(state, instruction, options.buildArguments, globals, fill);
    case "env":
      return metadata.planEnv(state, instruction, fill);
    case "label":
      return metadata.planLabel(state, instruction, fill);
    case "cmd":
      return metadata.planCmd(state, instruction);
    case "entrypoint":
      return metadata.planEntrypoint(state, instruction);
    case "shell":
      return metadata.planShell(state, instruction);
    case "expose":
      return metadata.planExpose(state, instruction, escapeWith, options.warn);
    case "user":
      return metadata.planUser(state, instruction, fill);
    case "volume":
      return metadata.planVolume(state, instruction, fill);
    case "stopsignal":
      return metadata.planStopsignal(state, instruction, fill);
    case "maintainer":
      return metadata.planMaintainer(state, instruction);
    case "healthcheck":
      return metadata.planHealthcheck(state, instruction);
    case "onbuild":
      return metadata.planOnbuild(state, instruction);
    case "workdir":
      return planWorkdir(state, instruction, fill(instruction.path), options.epoch);
    case "copy":
    case "add":
      return planCopy(state, instruction, await source(instruction.from), options, fill);
    case "run":
      return planRun(state, instruction, source, options, fill);
  }
}

function check(
  state: StageState,
  instruction: Instruction,
  { options: { warn, leftOut }, escape: escapeWith }: InstructionSurroundings,
): void {
  if (warn === undefined) return;
  const { place } = instruction;
  const surroundings = {
    expand: (word: string) => expandWord(word, state.variables, { escape: escapeWith, place }),
    hasShell: (state.config.Shell ?? []).length > 0,
    os: state.platform.os,
    ...(leftOut === undefined ? {} : { leftOut }),
  };
  for (const warning of state.checks.check(instruction, surroundings)) warn(warning);
}

/** Fills a stage's variables into a word; one that has no value is worth a warning. */
function filled(
  word: string,
  state: StageState,
  { place }: Instruction,
  { options, escape: escapeWith }: InstructionSurroundings,
  form?: "heredoc",
): string {
  const { text, unset } = expand(
    word,
    state.variables,
    form === "heredoc" ? { ignoreQuotes: true } : { escape: escapeWith, place },
  );
  const declared = new Set(state.declared.map(({ name }) => name));
  for (const name of unset) {
    if (declared.has(name)) continue;
    const meant = nearest(name, state.variables.keys(), suggestionLimit);
    options.warn?.(rules.undefinedVar(pointAt(place, variableIn(place, name)), name, meant));
  }
  return text;
}

/** How a variable stands in an instruction: `$name` or `${name`. */
function variableIn({ lines }: Instruction["place"], name: string): string {
  return lines.some((line) => line.includes(`$${name}`)) ? `$${name}` : `\${${name}`;
}
