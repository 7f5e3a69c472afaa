import { formatPlatform, type Platform, parsePlatform, parseReference } from "../../image/index.ts";
import { nearest, WhittleError } from "../../io/index.ts";
import type { Dockerfile, Place, Stage } from "../instruction.ts";
import { pointAt, suggestionLimit } from "../place.ts";
import type { Warning } from "../statements.ts";
import { type Expansion, expand } from "../words.ts";
import { rules } from "./rules.ts";

/** What FROM lines see of arguments. */
export interface FromArguments {
  /** With the values that were given. */
  readonly given: ReadonlyMap<string, string>;
  /** With none given: only what the Dockerfile itself says; undefined when that cannot be told. */
  readonly defaults: ReadonlyMap<string, string> | undefined;
}

/**
 * What can be said of all FROM lines once arguments are known, of stages that are not built, too.
 *
 * @throws WhittleError `DOCKERFILE_INVALID` for words that cannot be expanded
 */
export function* checkFroms(dockerfile: Dockerfile, { given, defaults }: FromArguments): Generator<Warning> {
  const declared = new Set([
    ...given.keys(),
    ...dockerfile.globalArguments.flatMap(({ args }) => args.map(({ name }) => name)),
  ]);
  if (defaults !== undefined) yield* checkDefaults(dockerfile, defaults);
  for (const stage of dockerfile.stages) {
    const { base, platform, place } = stage;
    const fill = (word: string): Expansion => expand(word, given, { escape: dockerfile.escape, place });
    yield* checkDeclared(fill(base), stage, declared);
    if (platform === undefined) continue;
    const filled = fill(platform);
    yield* checkDeclared(filled, stage, declared);
    yield* checkPlatform(filled, platform, stage, given);
  }
}

function* checkDefaults(
  { stages, escape: escapeWith }: Dockerfile,
  defaults: ReadonlyMap<string, string>,
): Generator<Warning> {
  for (const { base, place } of stages) {
    const name = unlessInvalid(() => expand(base, defaults, { escape: escapeWith }).text);
    if (name === undefined) return;
    if (unlessInvalid(() => parseReference(name)) !== undefined) continue;
    yield rules.invalidDefaultArgInFrom(pointAt(place, base), base);
  }
}

/** What reading comes to; undefined when what is read is not valid. */
export function unlessInvalid<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof WhittleError)) throw error;
    return undefined;
  }
}

function* checkDeclared(
  { unset }: Expansion,
  { place }: Stage,
  declared: ReadonlySet<string>,
): Generator<Warning> {
  for (const name of unset) {
    if (declared.has(name)) continue;
    yield rules.undefinedArgInFrom(pointAt(place, name), name, nearest(name, declared, suggestionLimit));
  }
}

function* checkPlatform(
  { text, used, unset }: Expansion,
  written: string,
  { name = "", place }: Stage,
  given: ReadonlyMap<string, string>,
): Generator<Warning> {
  const at = pointAt(place, written);
  const isOneVariable = used.size === 1 && unset.size === 0;
  if (isOneVariable && used.has("TARGETPLATFORM") && text === given.get("TARGETPLATFORM")) {
    yield rules.redundantTargetPlatform(at, written);
  }
  if (used.size > 0 || unset.size > 0) return;
  const platform = unlessInvalid(() => parsePlatform(text));
  if (platform === undefined) return;
  // A stage that has its platform in its name is for that one on purpose.
  if (name.includes(platform.os) || name.includes(platform.architecture)) return;
  yield rules.fromPlatformFlagConstDisallowed(at, text);
}

/** Checks what the image that a stage starts from is for. */
export function* checkBase(
  name: string,
  wanted: Platform,
  found: Platform,
  place: Place,
): Generator<Warning> {
  if (wanted.os === found.os && wanted.architecture === found.architecture) return;
  const at = pointAt(place, name);
  yield rules.invalidBaseImagePlatform(at, name, formatPlatform(wanted), formatPlatform(found));
}
