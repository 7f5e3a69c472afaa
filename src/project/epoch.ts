import { type Environment, WhittleError } from "../io/index.ts";

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
