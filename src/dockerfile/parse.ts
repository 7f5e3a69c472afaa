import { checkWritten, rules } from "./checks/index.ts";
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
  if (source === "")
    throw invalid(`Cannot build from ${file}: the Dockerfile cannot be empty, FROM is wanted`);
  const lines = sourceLines(source, file);
  const directives = readDirectives(lines, file);
  const reader = new StatementReader(lines, file, directives.escape);
  const statements = reader.readAll();
  const globalArguments: Extract<Instruction, { kind: "arg" }>[] = [];
  const stages: (StageStart & { readonly instructions: Instruction[] })[] = [];
  for (const statement of statements) {
    const keyword = statement.command.toLowerCase();
    const stage = stages.at(-1);
    if (keyword === "from") {
      if (stages.length === stageLimit)
        throw mistake(statement.place, `it has more than ${stageLimit} stages`);
      stages.push({ ...readFrom(statement), instructions: [] });
    } else if (stage !== undefined) stage.instructions.push(readInstruction(statement));
    else if (keyword === "arg") globalArguments.push(readArg(statement, commonOf(statement)));
    else {
      readInstruction(statement);
      throw mistake(statement.place, "no build stage in current context, FROM is wanted first");
    }
  }
  if (stages.length === 0) {
    throw invalid(`Cannot build from ${file}: dockerfile contains no stages to build, FROM is wanted`);
  }
  const warnings = [
    ...reader.blanks.map((at) => rules.noEmptyContinuation(at)),
    ...checkWritten(statements, stages as readonly Stage[]),
  ];
  return { file, ...directives, globalArguments, stages, warnings };
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
