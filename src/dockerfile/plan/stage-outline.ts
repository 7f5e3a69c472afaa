import type { Argument } from "../instruction.ts";

/** An argument that a target takes. */
export interface OutlinedArgument {
  readonly name: string;
  /** What the comment above it says. */
  readonly description?: string;
  /** What it has in this build. */
  readonly value?: string;
  readonly line: number;
}

/** A secret or ssh agent that a target takes. */
export interface OutlinedMount {
  readonly name: string;
  readonly required: boolean;
  readonly line: number;
}

/** What can be given to a target: of the stages that it needs, in the order of the Dockerfile. */
export interface Outline {
  readonly name?: string;
  readonly description?: string;
  readonly arguments: readonly OutlinedArgument[];
  readonly secrets: readonly OutlinedMount[];
  readonly agents: readonly OutlinedMount[];
}

/** What the instructions of one stage take. */
export class StageOutline {
  readonly arguments = new Map<string, OutlinedArgument>();
  /** Names of arguments that are those of the global scope. */
  readonly inherited = new Set<string>();
  readonly secrets = new Map<string, OutlinedMount>();
  readonly agents = new Map<string, OutlinedMount>();
}

/** An ARG as an outline shows it. */
export function outlined(
  { name, description }: Argument,
  value: string | undefined,
  line: number,
): OutlinedArgument {
  return {
    name,
    ...(description === undefined ? {} : { description }),
    ...(value === undefined ? {} : { value }),
    line,
  };
}
