import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { digestHex, makeDirectories, sha256, writeFileAtomically } from "../io/index.ts";
import type { ProjectRecipe } from "./types.ts";

/**
 * Reads a `whittle.yaml`. What was found valid once is not parsed again: the schema and the YAML parser take
 * longer to load than the rest of a build with nothing to do. The bundle's name of this module changes with
 * everything that it imports, so a cached recipe never outlives the schema that accepted it; running from the
 * source, nothing is cached.
 *
 * @param source - its text
 * @param file - its name, for messages
 * @param cacheDirectory - may be lost at any time
 * @throws WhittleError `RECIPE_INVALID` with file, line and column of the first mistake
 */
export async function loadRecipe(
  source: string,
  file: string,
  cacheDirectory: string,
): Promise<ProjectRecipe> {
  const bundled = !import.meta.url.endsWith(".ts");
  const key = digestHex(sha256(`${basename(import.meta.url)}\n${source}`));
  const path = join(cacheDirectory, "recipes", `${key}.json`);
  if (bundled) {
    const known = await cached(path);
    if (known !== undefined) return known;
  }
  const { parseRecipe } = await import("./parse.ts");
  const recipe = parseRecipe(source, file);
  if (bundled) {
    await makeDirectories(dirname(path))
      .then(() => writeFileAtomically(path, JSON.stringify(recipe)))
      .catch(() => undefined);
  }
  return recipe;
}

async function cached(path: string): Promise<ProjectRecipe | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as ProjectRecipe;
  } catch {
    return undefined;
  }
}
