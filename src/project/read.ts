import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { cacheDirectory, explainSystemError, WhittleError } from "../io/index.ts";
import { loadRecipe, type ProjectRecipe } from "../recipe/index.ts";

/** A `whittle.yaml` with its place. */
export interface Project {
  readonly recipe: ProjectRecipe;
  /** The recipe's own name, else that of its directory. */
  readonly name: string;
  /** Absolute path of the recipe. */
  readonly file: string;
  /** Absolute path of the directory that `from:` paths are relative to. */
  readonly directory: string;
}

const mostBytes = 1024 * 1024;

/**
 * Reads the project of a context directory.
 *
 * @param directory - the context
 * @param file - the recipe, where it is not `whittle.yaml` in the context
 * @throws WhittleError `NOT_FOUND`, `RECIPE_INVALID`
 */
export async function readProject(directory: string, file?: string): Promise<Project> {
  const path = file === undefined ? resolve(directory, "whittle.yaml") : resolve(file);
  const bytes = await readFile(path).catch((error: unknown) => {
    const explained = explainSystemError(error, `read the recipe ${path}`);
    if (explained instanceof WhittleError && explained.code === "NOT_FOUND") {
      throw new WhittleError("NOT_FOUND", explained.message, {
        hint: "name a directory that holds a whittle.yaml, or a recipe with -f",
        cause: error,
      });
    }
    throw explained;
  });
  if (bytes.length > mostBytes) {
    throw new WhittleError(
      "RECIPE_INVALID",
      `Cannot read ${path}: it has ${bytes.length} bytes, at most ${mostBytes} are wanted`,
    );
  }
  const recipe = await loadRecipe(bytes.toString("utf8"), path, cacheDirectory());
  const name = recipe.name ?? basename(dirname(path)).toLowerCase();
  return { recipe, name, file: path, directory: resolve(directory) };
}
