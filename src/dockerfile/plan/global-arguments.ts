import { nearest } from "../../io/index.ts";
import type { Dockerfile } from "../instruction.ts";
import { pointAt, suggestionLimit } from "../place.ts";
import { expand } from "../words.ts";
import type { PlanOptions } from "./options.ts";
import { platformArguments } from "./variables.ts";

/** The variables that FROM lines see: the platforms', and ARGs before the first FROM with what was given for them. */
export function globalArguments(dockerfile: Dockerfile, options: PlanOptions): Map<string, string> {
  const target = options.target ?? dockerfile.stages.at(-1)?.name ?? "";
  const globals = platformArguments(options.buildPlatform, options.platform, target);
  for (const [name, value] of options.buildArguments) {
    if (globals.has(name)) globals.set(name, value);
  }
  for (const { args, place } of dockerfile.globalArguments) {
    for (const { name, value } of args) {
      const given =
        options.buildArguments.get(name) ??
        (value === undefined ? undefined : expand(value, globals, { escape: dockerfile.escape, place }).text);
      if (given !== undefined) globals.set(name, given);
    }
  }
  return globals;
}

/** Fills global arguments into a word of a FROM line; one that nobody declared is worth a warning. */
export function expandFrom(
  word: string,
  stage: Dockerfile["stages"][number],
  globals: ReadonlyMap<string, string>,
  dockerfile: Dockerfile,
  warn: PlanOptions["warn"],
): string {
  const { text, unset } = expand(word, globals, { escape: dockerfile.escape, place: stage.place });
  const declared = new Set(dockerfile.globalArguments.flatMap(({ args }) => args.map(({ name }) => name)));
  for (const name of unset) {
    if (declared.has(name)) continue;
    const meant = nearest(name, [...declared, ...globals.keys()], suggestionLimit);
    const suggestion = meant === undefined ? "" : ` (did you mean ${meant}?)`;
    warn?.({
      rule: "UndefinedArgInFrom",
      message: `FROM argument '${name}' is not declared${suggestion}`,
      at: pointAt(stage.place, name),
    });
  }
  return text;
}
