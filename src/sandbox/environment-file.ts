import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Environment, explainSystemError, WhittleError } from "../io/index.ts";

/**
 * Reads a file of variables as `docker run --env-file` does: `NAME=value` lines, taken as they are; a name alone
 * takes the value from here; empty lines and those that begin with `#` do not count.
 *
 * @param path - taken from `directory` where it is relative
 * @throws WhittleError `NOT_FOUND`, `PERMISSION`, `USAGE`
 */
export async function readEnvironmentFile(
  path: string,
  directory: string,
  environment: Environment,
): Promise<string[]> {
  const place = resolve(directory, path);
  const text = await readFile(place, "utf8").catch((error: unknown) => {
    throw explainSystemError(error, `read the environment file ${place}`);
  });
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== "" && !line.startsWith("#"));
  return environmentLines(lines, environment);
}

/**
 * `NAME=value`; a name alone takes the value from here, and is left out where there is none.
 *
 * @throws WhittleError `USAGE`
 */
export function environmentLines(lines: readonly string[], environment: Environment): string[] {
  return lines.flatMap((line) => {
    if (line.startsWith("=")) throw new WhittleError("USAGE", `Cannot set "${line}": the name is missing`);
    if (line.includes("=")) return [line];
    const value = environment[line];
    return value === undefined ? [] : [`${line}=${value}`];
  });
}
