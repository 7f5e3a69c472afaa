import { WhittleError } from "../io/index.ts";

/** Collects a repeatable option. */
export function repeated(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

/**
 * `NAME=VALUE` options as a record; a value may hold further equals signs.
 *
 * @throws WhittleError `USAGE`
 */
export function pairs(values: readonly string[], option: string): Record<string, string> {
  return Object.fromEntries(
    values.map((value) => {
      const at = value.indexOf("=");
      if (at < 1) throw new WhittleError("USAGE", `Cannot use ${option} "${value}": NAME=VALUE is wanted`);
      return [value.slice(0, at), value.slice(at + 1)];
    }),
  );
}
