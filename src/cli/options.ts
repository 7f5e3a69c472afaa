import { WhittleError } from "../io/index.ts";

/** Collects a repeatable option. */
export function repeated(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

/**
 * `NAME=VALUE` options as a record; a value may hold further equals signs, and a name alone has an empty one where
 * that is allowed.
 *
 * @throws WhittleError `USAGE`
 */
export function pairs(
  values: readonly string[],
  option: string,
  alone: "with a value" | "alone too" = "with a value",
): Record<string, string> {
  return Object.fromEntries(
    values.map((value) => {
      const at = value.indexOf("=");
      if (at < 0 && value !== "" && alone === "alone too") return [value, ""];
      if (at < 1) throw new WhittleError("USAGE", `Cannot use ${option} "${value}": NAME=VALUE is wanted`);
      return [value.slice(0, at), value.slice(at + 1)];
    }),
  );
}
