import type { SourceLocation } from "../io/index.ts";

/**
 * Where the entry at a path of keys stands in a recipe that was found valid; the parser is loaded for that alone.
 *
 * @param source - the recipe's text
 * @param file - its name, for messages
 */
export async function locateInRecipe(
  source: string,
  file: string,
  path: readonly string[],
): Promise<SourceLocation> {
  const { placeInRecipe } = await import("./parse.ts");
  return placeInRecipe(source, file, path);
}
