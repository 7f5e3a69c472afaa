import type { ImageRecipe } from "./types.ts";

/**
 * Why a recipe makes an image with less in it than its author can have meant; nothing when it does not. It is no error:
 * an image may be meant to be empty.
 */
export function emptinessOf(name: string, recipe: ImageRecipe): string | undefined {
  const { packages = [], simulate, files = [], users = [], roots = [], keep = [], config = {} } = recipe;
  if (recipe.dockerfile !== undefined || (recipe.from !== undefined && "bootstrap" in recipe.from))
    return undefined;
  if (packages.length === 0) {
    const holds = simulate !== undefined || files.length > 0 || users.length > 0;
    return holds
      ? undefined
      : `the image "${name}" is empty: name packages:, files: or simulate: in its recipe`;
  }
  if (recipe.carve === false || simulate !== undefined || roots.length > 0 || keep.length > 0)
    return undefined;
  if ((config.entrypoint ?? config.command ?? []).length > 0) return undefined;
  return `the image "${name}" keeps nothing of its packages: name what it must run under roots: or config.entrypoint:, or keep everything with carve: false`;
}
