import type { Dockerfile } from "../instruction.ts";
import { expand } from "../words.ts";
import { type Outline, type OutlinedArgument, outlined } from "./stage-outline.ts";
import type { StageState } from "./stage-state.ts";

/**
 * The outline of a target.
 *
 * @param states - of the stages that it needs, itself first: what the first one says of a name counts
 * @param globals - values of the global scope
 */
export function outlineOf(
  dockerfile: Dockerfile,
  states: readonly StageState[],
  globals: ReadonlyMap<string, string>,
): Outline {
  const [target] = states;
  const { name, description } = target?.stage ?? {};
  const all = states.map(({ outline }) => outline);
  const ofGlobals = globalsOf(dockerfile, states, globals);
  return {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    arguments: inOrder([...all.map((one) => one.arguments), ofGlobals]),
    secrets: inOrder(all.map(({ secrets }) => secrets)),
    agents: inOrder(all.map(({ agents }) => agents)),
  };
}

function inOrder<Item extends { readonly line: number }>(
  maps: readonly ReadonlyMap<string, Item>[],
): readonly Item[] {
  // Of entries with one name the last counts.
  const first = new Map(maps.toReversed().flatMap((map) => [...map]));
  return [...first.values()].sort((a, b) => a.line - b.line);
}

/** Global arguments that the FROM of a stage looks up, that a stage declares again, or that others of them hold. */
function globalsOf(
  { globalArguments, escape: escapeWith }: Dockerfile,
  states: readonly StageState[],
  values: ReadonlyMap<string, string>,
): Map<string, OutlinedArgument> {
  const lookedUp = (text: string): string[] => {
    const { used, unset } = expand(text, values, { escape: escapeWith });
    return [...used, ...unset];
  };
  const wanted = new Set(
    states.flatMap(({ stage: { base, platform = "" }, outline }) => [
      ...lookedUp(base),
      ...lookedUp(platform),
      ...outline.inherited,
    ]),
  );
  const found = new Map<string, OutlinedArgument>();
  // An argument sees only those above it.
  for (const { args, place } of globalArguments.toReversed()) {
    for (const argument of args.toReversed()) {
      if (!wanted.has(argument.name) || found.has(argument.name)) continue;
      found.set(argument.name, outlined(argument, values.get(argument.name), place.line));
      for (const name of lookedUp(argument.value ?? "")) wanted.add(name);
    }
  }
  return found;
}
