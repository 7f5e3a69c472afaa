import { existsSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { type BuildOptions, planProject } from "./build.ts";
import { importedCaches } from "./build-caches.ts";
import { Contexts } from "./contexts.ts";
import type { DockerfileOptions } from "./dockerfile-options.ts";
import { readProject } from "./read.ts";

/** What a build takes over from a `whittle.yaml`: what names stand for, and what that is built with. */
export type Beside = Required<Pick<DockerfileOptions, "find">> &
  Pick<DockerfileOptions, "contextSolver" | "imported">;

/**
 * What the `whittle.yaml` of a Dockerfile's context, or the one beside the Dockerfile, says that names stand for;
 * undefined where there is none.
 *
 * @param where - the context and the Dockerfile; only those in directories of this machine have something beside them
 * @param images - whether those of projects are built when they are asked for, or only described
 * @throws WhittleError `RECIPE_INVALID`
 */
export async function contextsBeside(
  where: { readonly context: string; readonly file?: string },
  options: BuildOptions,
  images: "built" | "described" = "built",
): Promise<Beside | undefined> {
  const { context, file } = where;
  const places = [context, file === undefined ? "" : dirname(file)].filter(isAbsolute);
  const directory = places.find((one) => existsSync(join(one, "whittle.yaml")));
  if (directory === undefined) return undefined;
  const project = await readProject(directory);
  const same = Object.entries(project.recipe.images).filter(
    ([, { dockerfile }]) => dockerfile !== undefined && resolve(directory, dockerfile) === file,
  );
  const [only, ...others] = same.map(([name]) => name);
  const image = others.length === 0 ? only : undefined;
  if (images === "described")
    return { find: Contexts.described(options, planProject).finder(project, image) };
  const imported = await importedCaches(options);
  const contexts = Contexts.of(options, planProject, imported);
  const { solver } = contexts;
  return {
    find: contexts.finder(project, image),
    imported,
    ...(solver === undefined ? {} : { contextSolver: solver }),
  };
}
