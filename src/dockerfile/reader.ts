import type { CommandForm, Instruction, Place } from "./instruction.ts";
import { mistake } from "./place.ts";
import type { Statement } from "./statement.ts";

/** What every instruction carries. */
export interface Common {
  readonly place: Place;
  readonly original: string;
}

/** Makes an instruction of a statement, or throws a WhittleError `DOCKERFILE_INVALID` that says what is wrong. */
export type Reader = (statement: Statement, common: Common) => Instruction;

/** The one argument of an instruction that wants exactly one. */
export function oneArgument(statement: Statement): string {
  const [argument, ...others] = statement.arguments.words;
  if (argument !== undefined && others.length === 0) return argument;
  throw mistake(statement.place, `${nameOf(statement)} requires exactly one argument`);
}

/** The arguments of an instruction that wants at least one. */
export function someArguments(statement: Statement): readonly [string, ...string[]] {
  const [first, ...others] = statement.arguments.words;
  if (first !== undefined) return [first, ...others];
  throw mistake(statement.place, `${nameOf(statement)} requires at least one argument`);
}

/** The keyword of a statement in capitals. */
export function nameOf(statement: Statement): string {
  return statement.command.toUpperCase();
}

/** The command of RUN, CMD or ENTRYPOINT. */
export function commandForm(statement: Statement): CommandForm {
  const { words, json } = statement.arguments;
  if (json) return { form: "exec", argv: words };
  return { form: "shell", command: words.join(" "), heredocs: statement.heredocs };
}
