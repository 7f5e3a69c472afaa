import { readFile } from "node:fs/promises";
import { located, WhittleError } from "../io/index.ts";
import { locateInRecipe } from "../recipe/index.ts";
import type { Project } from "./read.ts";

/** The same error, pointing at the entry of `contexts:` that it is about; errors with a place keep theirs. */
export async function contextMistake(
  error: unknown,
  project: Project,
  path: readonly string[],
): Promise<unknown> {
  if (!(error instanceof WhittleError) || error.at !== undefined || !entryErrors.has(error.code))
    return error;
  const source = await readFile(project.file, "utf8").catch(() => undefined);
  if (source === undefined) return error;
  return located(error, await locateInRecipe(source, project.file, path));
}

/** Errors of this kind are about what the entry says; others are about what building it met. */
const entryErrors: ReadonlySet<string> = new Set(["NOT_FOUND", "RECIPE_INVALID", "REFERENCE_INVALID"]);
