import type { BootstrapRecipe } from "../recipe/index.ts";
import { type BuildOptions, type BuiltImage, buildProject } from "./build.ts";

/**
 * Builds a full, apt-capable system from the archive into the store, without giving it a name.
 *
 * @param from - suite and mirrors
 * @param packages - beside the base
 * @throws WhittleError as {@link buildProject}
 */
export async function buildBootstrap(
  from: BootstrapRecipe,
  packages: readonly string[],
  options: Omit<BuildOptions, "images" | "locked" | "recordLock">,
): Promise<BuiltImage> {
  const name = from.bootstrap;
  const recipe = { images: { [name]: { from, packages: [...packages] } } };
  const project = { recipe, name: "debian", file: "whittle.yaml", directory: "/" };
  const [image] = await buildProject(project, { ...options, recordLock: false });
  if (image === undefined) throw new Error("Internal error: a project without an image was built");
  return image;
}
