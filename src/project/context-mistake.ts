import { readFile } from "node:fs/promises";
import { located, WhittleError } from "../io/index.ts";
import { locateInRecipe } from "../recipe/index.ts";
import type { Project } from "./read.ts";

/** The same error, pointing at the entry that names what is missing; errors with a place keep theirs. */
export async function contextMistake(
  error: unknown,
  project: Project,
  path: readonly string[],
): Promise<unknown> {
  const about = error instanceof WhittleError && error.at === undefined && entryErrors.has(error.code);
  return about ? pointAtEntry(error, project, path) : error;
}

/** The same error, pointing at the entry of a project's recipe at a path of keys. */
export async function pointAtEntry(
  error: unknown,
  project: Project,
  path: readonly string[],
): Promise<unknown> {
  const source = await readFile(project.file, "utf8").catch(() => undefined);
  if (source === undefined) return error;
  return located(error, await locateInRecipe(source, project.file, path));
}

/** Errors of this kind are about what the entry says; others are about what building it met. */
const entryErrors: ReadonlySet<string> = new Set(["NOT_FOUND", "RECIPE_INVALID", "REFERENCE_INVALID"]);
