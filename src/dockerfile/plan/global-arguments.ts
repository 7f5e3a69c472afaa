import { type FromArguments, unlessInvalid } from "../checks/index.ts";
import type { Dockerfile } from "../instruction.ts";
import { expand } from "../words.ts";
import type { PlanOptions } from "./options.ts";
import { platformArguments } from "./variables.ts";

/** The variables that FROM lines see: the platforms', and ARGs before the first FROM with what was given for them. */
export function globalArguments(
  dockerfile: Dockerfile,
  options: PlanOptions,
  given: ReadonlyMap<string, string> = options.buildArguments,
): Map<string, string> {
  const target = options.target ?? dockerfile.stages.at(-1)?.name ?? "";
  const globals = platformArguments(options.buildPlatform, options.platform, target);
  for (const [name, value] of options.buildArguments) {
    if (globals.has(name)) globals.set(name, value);
  }
  for (const { args, place } of dockerfile.globalArguments) {
    for (const { name, value } of args) {
      const known =
        given.get(name) ??
        (value === undefined ? undefined : expand(value, globals, { escape: dockerfile.escape, place }).text);
      if (known !== undefined) globals.set(name, known);
    }
  }
  return globals;
}

/** {@link globalArguments} as if none were given; undefined when the defaults alone cannot be expanded. */
export function defaultArguments(dockerfile: Dockerfile, options: PlanOptions): FromArguments["defaults"] {
  return unlessInvalid(() => globalArguments(dockerfile, options, new Map()));
}
