import {
  type Arguments,
  ArgumentsError,
  commandArguments,
  healthArguments,
  listArguments,
  pairArguments,
  quotedArguments,
  spacedArguments,
  wholeArgument,
} from "./arguments.ts";
import type { Heredoc, Place } from "./instruction.ts";
import { mistake } from "./place.ts";
import { splitCommand } from "./split-command.ts";

/** A logical line of a Dockerfile, taken apart but not yet checked against what its instruction allows. */
export interface Statement {
  /** The keyword as written. */
  readonly command: string;
  readonly flags: readonly string[];
  readonly arguments: Arguments;
  /** The line with its continuation lines joined. */
  readonly original: string;
  readonly place: Place;
  readonly heredocs: readonly Heredoc[];
  /** The lines of all comments above it, as far as the statement before. */
  readonly comments: readonly string[];
  /** The last line of the comment right above it. */
  readonly comment?: string;
  /** What ONBUILD holds. */
  readonly trigger?: Statement;
}

/** Every keyword, and how its arguments are split. */
const readers: Readonly<Record<string, (rest: string, token: string) => Arguments>> = {
  add: listArguments,
  arg: quotedArguments,
  cmd: commandArguments,
  copy: listArguments,
  entrypoint: commandArguments,
  env: (rest, token) => pairArguments(rest, token, "ENV"),
  expose: spacedArguments,
  from: spacedArguments,
  healthcheck: healthArguments,
  label: (rest, token) => pairArguments(rest, token, "LABEL"),
  maintainer: wholeArgument,
  onbuild: wholeArgument,
  run: commandArguments,
  shell: commandArguments,
  stopsignal: wholeArgument,
  user: wholeArgument,
  volume: listArguments,
  workdir: wholeArgument,
};

/** The keywords of all instructions, in capitals. */
export const keywords: readonly string[] = Object.keys(readers).map((name) => name.toUpperCase());

/** ONBUILD inside ONBUILD is refused later; deeper than that it is not even read. */
const depthLimit = 2;

/**
 * Takes a logical line apart.
 *
 * @param token - the escape character
 * @throws WhittleError `DOCKERFILE_INVALID` when its arguments do not have the form that its keyword wants
 */
export function parseStatement(original: string, place: Place, token: string, depth = 0): Statement {
  const { command, flags, rest } = splitCommand(original);
  const name = command.toLowerCase();
  const read = Object.hasOwn(readers, name) ? readers[name] : undefined;
  try {
    const statement = {
      command,
      flags,
      arguments: read?.(rest, token) ?? { words: [], json: false },
      original,
      place,
      heredocs: [],
      comments: [],
    };
    if (name !== "onbuild" || rest === "" || depth === depthLimit) return statement;
    return { ...statement, trigger: parseStatement(rest, place, token, depth + 1) };
  } catch (error) {
    if (!(error instanceof ArgumentsError)) throw error;
    throw mistake(place, error.message, { part: error.part });
  }
}

/** Whether lines after this one may be the content of heredocs. */
export function takesHeredocs(statement: Statement): boolean {
  const inner = statement.trigger ?? statement;
  return /^(?:add|copy|run)$/i.test(inner.command) && !inner.arguments.json;
}
