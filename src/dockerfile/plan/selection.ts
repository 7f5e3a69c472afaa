import { type SelectParameters, type Step, selectStep } from "../../build/index.ts";
import { ignoreMatcher } from "../ignore.ts";
import type { Instruction } from "../instruction.ts";
import { pointAt } from "../place.ts";
import type { PlanOptions } from "./options.ts";

/** The part of a tree that an instruction reads, so that it is done again only when something of that changes. */
export function selection(
  source: Step,
  parameters: SelectParameters,
  instruction: Instruction,
  from: string | undefined,
  options: PlanOptions,
): Step {
  const { paths, excludes } = parameters;
  const whole = paths.every(({ path, include }) => path === "/" && include === undefined);
  if (whole && excludes.length === 0) return source;
  const inContext = from === undefined || from === "";
  const [first] = paths;
  return selectStep(source, parameters, {
    where: inContext ? "the context" : from,
    excluded,
    at: pointAt(instruction.place, first?.path.slice(1)),
    ...(inContext && options.hidden !== undefined ? { hidden: options.hidden } : {}),
  });
}

/** Patterns of `--exclude` as a question. */
export function excluded(patterns: readonly string[]): (path: string) => boolean {
  const matcher = ignoreMatcher(patterns, "--exclude");
  return (path) => matcher.matches(path);
}
