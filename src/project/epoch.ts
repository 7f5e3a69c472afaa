import { type Environment, WhittleError } from "../io/index.ts";

/**
 * A Dockerfile's build arguments with `SOURCE_DATE_EPOCH`, which is one of its own accord where the environment sets
 * it, as with docker buildx; one that was given goes before.
 */
export function withEpochArgument(
  given: ReadonlyMap<string, string>,
  environment: Environment,
): ReadonlyMap<string, string> {
  const epoch = environment["SOURCE_DATE_EPOCH"];
  return epoch === undefined || epoch === "" ? given : new Map([["SOURCE_DATE_EPOCH", epoch], ...given]);
}

/** `SOURCE_DATE_EPOCH` (reproducible-builds.org): seconds since the epoch. */
export function sourceDateEpoch(environment: Environment): number | undefined {
  const text = environment["SOURCE_DATE_EPOCH"];
  if (text === undefined || text === "") return undefined;
  if (!/^\d{1,11}$/.test(text)) {
    throw new WhittleError(
      "USAGE",
      `Cannot use SOURCE_DATE_EPOCH="${text.slice(0, 40)}": whole seconds since 1970 are wanted`,
    );
  }
  return Number(text);
}
