import { descriptionOf } from "./description.ts";
import { readFlags } from "./flags.ts";
import type { Stage } from "./instruction.ts";
import { mistake } from "./place.ts";
import type { Statement } from "./statement.ts";
import { trim } from "./whitespace.ts";

/** A stage whose instructions are still to come. */
export type StageStart = Omit<Stage, "instructions">;

/**
 * Reads FROM.
 *
 * @throws WhittleError `DOCKERFILE_INVALID` for a wrong number of arguments or a name that is none
 */
export function readFrom(statement: Statement): StageStart {
  const [base, as, given] = statement.arguments.words;
  const { length } = statement.arguments.words;
  const hasName = length === 3 && as?.toLowerCase() === "as";
  if (base === undefined || !(length === 1 || hasName)) {
    throw mistake(statement.place, "FROM requires either one or three arguments", {
      part: length > 1 ? as : undefined,
      hint: 'write "FROM image" or "FROM image AS name"',
    });
  }
  const name = hasName ? given?.toLowerCase() : undefined;
  if (name !== undefined && !/^[a-z][a-z0-9-_.]*$/.test(name)) {
    throw mistake(
      statement.place,
      `invalid name for build stage: ${JSON.stringify(given)}, name can't start with a number or contain symbols`,
      { part: given },
    );
  }
  const { platform } = readFlags(statement, { platform: "text" });
  const description = descriptionOf(statement.comments, name);
  return {
    place: statement.place,
    original: trim(statement.original),
    base,
    ...(name === undefined ? {} : { name }),
    ...(platform === undefined ? {} : { platform }),
    ...(description === undefined ? {} : { description }),
  };
}
