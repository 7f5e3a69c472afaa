import type { SourceLocation } from "../../io/index.ts";
import type { Place, Stage } from "../instruction.ts";
import { pointAt } from "../place.ts";
import type { Statement } from "../statement.ts";
import type { Warning } from "../statements.ts";
import { rules } from "./rules.ts";

/** What can be said of a Dockerfile as it is written, whatever it is built with. */
export function checkWritten(statements: readonly Statement[], stages: readonly Stage[]): Warning[] {
  return [...checkStatements(statements), ...checkStageNames(stages), ...checkCasing(statements)];
}

/** What can be said of each statement, whatever the others are. */
export function checkStatements(statements: readonly Statement[]): Warning[] {
  return statements.flatMap((statement) => [...checkStatement(statement)]);
}

function* checkStatement(statement: Statement): Generator<Warning> {
  const { place } = statement;
  const { words } = statement.arguments;
  switch (statement.command.toUpperCase()) {
    case "MAINTAINER":
      yield rules.maintainerDeprecated(pointAt(place));
      break;
    case "ARG":
      yield* checkDescription(
        statement,
        "ARG",
        words.map((word) => word.split("=", 1)[0] ?? ""),
      );
      break;
    case "FROM": {
      const [, as = "", name] = words;
      if (name === undefined) break;
      if (name !== name.toLowerCase()) yield rules.stageNameCasing(pointAt(place, name), name);
      if (as !== inTheCaseOf(statement.command, as)) {
        yield rules.fromAsCasing(pointAt(place, as), statement.command, as);
      }
      yield* checkDescription(statement, "FROM", [name.toLowerCase()]);
      break;
    }
  }
}

/** A keyword in the case of another one; one in mixed case says nothing about others. */
function inTheCaseOf(example: string, keyword: string): string {
  if (example === example.toLowerCase()) return keyword.toLowerCase();
  return example === example.toUpperCase() ? keyword.toUpperCase() : keyword;
}

/** A comment right above a stage or argument starts with the name of what it describes. */
function* checkDescription(
  { place, comment }: Statement,
  keyword: string,
  names: readonly string[],
): Generator<Warning> {
  const [first] = names;
  if (comment === undefined || first === undefined) return;
  if (names.includes(comment.split(" ", 1)[0] ?? "")) return;
  yield rules.invalidDefinitionDescription(pointAt(place), keyword, names.length > 1 ? "<arg_key>" : first);
}

const reservedNames: ReadonlySet<string> = new Set(["context", "scratch"]);

function* checkStageNames(stages: readonly Stage[]): Generator<Warning> {
  const seen = new Set<string>();
  for (const { name, place } of stages) {
    if (name === undefined) continue;
    const at = lastOf(place, name);
    if (reservedNames.has(name)) yield rules.reservedStageName(at, name);
    if (seen.has(name)) yield rules.duplicateStageName(at, name);
    seen.add(name);
  }
}

/** Where a stage's name stands: at the end of its FROM, which may hold it twice (`FROM scratch AS scratch`). */
function lastOf(place: Place, name: string): SourceLocation {
  for (const [index, text] of [...place.lines.entries()].reverse()) {
    const at = text.toLowerCase().lastIndexOf(name);
    if (at >= 0) return { file: place.file, line: place.line + index, column: at + 1, text };
  }
  return pointAt(place);
}

/** Keywords are all in small letters or all in capitals, as most of them are; those above the first FROM do not count. */
function* checkCasing(statements: readonly Statement[]): Generator<Warning> {
  const first = statements.findIndex(({ command }) => command.toLowerCase() === "from");
  const inStages = statements.slice(Math.max(first, 0));
  const lower = inStages.filter(({ command }) => command === command.toLowerCase()).length;
  const upper = inStages.filter(({ command }) => command === command.toUpperCase()).length;
  for (const { command, place } of inStages) {
    const wanted = lower > upper ? command.toLowerCase() : command.toUpperCase();
    if (command === wanted) continue;
    const majority = lower > upper ? "lowercase" : "uppercase";
    yield rules.consistentInstructionCasing(pointAt(place, command), command, majority);
  }
}
