import { checkStatements, checkWritten, rules } from "./checks/index.ts";
import { readDirectives } from "./directives.ts";
import type { Dockerfile, Instruction, Place, Stage } from "./instruction.ts";
import { invalid, mistake } from "./place.ts";
import { readFrom, type StageStart } from "./read-from.ts";
import { readInstruction } from "./read-instruction.ts";
import { readArg } from "./read-metadata.ts";
import { sourceLines } from "./source-lines.ts";
import type { Statement } from "./statement.ts";
import { StatementReader } from "./statements.ts";
import { trim } from "./whitespace.ts";

/** Stages that a Dockerfile may have. */
const stageLimit = 10_000;

/** A Dockerfile with an instruction that is used wrongly, and what can be said of it up to there. */
export interface MisreadDockerfile extends Pick<Dockerfile, "file" | "check" | "warnings"> {
  /** A `WhittleError` `DOCKERFILE_INVALID`. */
  readonly error: unknown;
}

/**
 * Reads a Dockerfile as BuildKit's front end does (Dockerfile reference, docker/dockerfile 1.20): its directives,
 * and every instruction with its flags checked. Words are not expanded.
 *
 * @param source - its text, with or without a byte order mark, with either kind of line ends
 * @param file - its name, for places
 * @throws WhittleError `DOCKERFILE_INVALID` at the first mistake, with file, line and column. As in BuildKit a line
 *   that cannot be taken apart comes before an instruction that is used wrongly, wherever the two stand.
 */
export function parseDockerfile(source: string, file: string): Dockerfile {
  const read = readDockerfile(source, file);
  if ("error" in read) throw read.error;
  return read;
}

/**
 * The same for who wants to hear what is questionable above an instruction that is wrong.
 *
 * @throws WhittleError `DOCKERFILE_INVALID` at a line that cannot be taken apart
 */
export function readDockerfile(source: string, file: string): Dockerfile | MisreadDockerfile {
  if (source === "")
    throw invalid(`Cannot build from ${file}: the Dockerfile cannot be empty, FROM is wanted`);
  const lines = sourceLines(source, file);
  const directives = readDirectives(lines, file);
  const reader = new StatementReader(lines, file, directives.escape);
  const statements = reader.readAll();
  const blanks = reader.blanks.map((at) => rules.noEmptyContinuation(at));
  const { globalArguments, stages, misread } = stagesOf(statements);
  if (misread !== undefined) {
    const above = checkStatements(statements.slice(0, misread.index + 1));
    return { file, ...directives, warnings: [...blanks, ...above], error: misread.error };
  }
  if (stages.length === 0) {
    throw invalid(`Cannot build from ${file}: dockerfile contains no stages to build, FROM is wanted`);
  }
  const warnings = [...blanks, ...checkWritten(statements, stages as readonly Stage[])];
  return { file, ...directives, globalArguments, stages, warnings };
}

interface Stages {
  readonly globalArguments: Extract<Instruction, { kind: "arg" }>[];
  readonly stages: (StageStart & { readonly instructions: Instruction[] })[];
  /** The first statement that is wrong. */
  readonly misread?: { readonly index: number; readonly error: unknown };
}

function stagesOf(statements: readonly Statement[]): Stages {
  const read: Stages = { globalArguments: [], stages: [] };
  for (const [index, statement] of statements.entries()) {
    try {
      takeStatement(statement, read);
    } catch (error) {
      return { ...read, misread: { index, error } };
    }
  }
  return read;
}

function takeStatement(statement: Statement, { globalArguments, stages }: Stages): void {
  const keyword = statement.command.toLowerCase();
  const stage = stages.at(-1);
  if (keyword === "from") {
    if (stages.length === stageLimit) throw mistake(statement.place, `it has more than ${stageLimit} stages`);
    stages.push({ ...readFrom(statement), instructions: [] });
  } else if (stage !== undefined) stage.instructions.push(readInstruction(statement));
  else if (keyword === "arg") globalArguments.push(readArg(statement, commonOf(statement)));
  else {
    readInstruction(statement);
    throw mistake(statement.place, "no build stage in current context, FROM is wanted first");
  }
}

/**
 * Reads what an ONBUILD of a base image holds, as one instruction. The escape is the default one there.
 *
 * @param place - where the stage that triggers it starts
 * @throws WhittleError `DOCKERFILE_INVALID`
 */
export function parseTrigger(expression: string, place: Place): Instruction {
  const lines = sourceLines(expression, place.file);
  const statements = new StatementReader(lines, place.file, "\\").readAll();
  const [statement] = statements;
  if (statement === undefined || statements.length !== 1) {
    throw mistake(place, `onbuild trigger should be a single expression: ${JSON.stringify(expression)}`);
  }
  const command = statement.command.toUpperCase();
  if (command === "FROM") throw mistake(place, "FROM isn't allowed as an ONBUILD trigger");
  return readInstruction({ ...statement, place });
}

function commonOf(statement: Statement): { readonly place: Place; readonly original: string } {
  return { place: statement.place, original: trim(statement.original) };
}
