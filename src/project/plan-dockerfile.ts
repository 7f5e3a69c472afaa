import { resolve } from "node:path";
import type { Solver } from "../build/index.ts";
import { formatPlatform, type Platform } from "../image/index.ts";
import { fillVariables, type ImageRecipe, type Variables } from "../recipe/index.ts";
import type { BuildOptions, PlannedImage } from "./build.ts";
import { contextMistake } from "./context-mistake.ts";
import type { FindContext } from "./contexts.ts";
import { type DockerfileLock, fetchedSources, requireLocked } from "./dockerfile-lock.ts";
import { planBuild } from "./dockerfile-plan.ts";
import type { Project } from "./read.ts";

/** An image of a project that a Dockerfile describes. */
export interface DockerfileImage {
  readonly project: Project;
  readonly name: string;
  readonly recipe: ImageRecipe & { readonly dockerfile: string };
  readonly platforms: readonly Platform[];
  /** For labels and annotations. */
  readonly variables: Variables;
  /** What it may take from outside, and nothing else. */
  readonly locked?: DockerfileLock;
}

/**
 * Makes the graph of an image that a Dockerfile describes. Its bases are built where the project says how.
 *
 * @throws WhittleError as {@link planBuild}
 */
export async function planDockerfileImage(
  image: DockerfileImage,
  options: BuildOptions,
  find: FindContext,
  solver: Solver | undefined,
): Promise<PlannedImage> {
  const { project, name, recipe, platforms, variables, locked } = image;
  const { store, environment, progress, signal, noCache, compression = { type: "gzip" } } = options;
  const { buildArguments, ...given } = options.dockerfile ?? {};
  const annotations = { ...fillVariables(recipe.annotations ?? {}, variables), ...options.annotations };
  const labels = { ...fillVariables(recipe.config?.labels ?? {}, variables), ...options.labels };
  const planned = await planBuild(
    {
      store,
      environment,
      progress,
      signal,
      ...(noCache === undefined ? {} : { noCache }),
      name,
      context: resolve(project.directory, recipe.context ?? "."),
      file: resolve(project.directory, recipe.dockerfile),
      ...(recipe.target === undefined ? {} : { target: recipe.target }),
      ...given,
      buildArguments: new Map([...Object.entries(recipe.args ?? {}), ...(buildArguments ?? [])]),
      labels,
      platforms: platforms.map(formatPlatform),
      find,
      ...(locked === undefined ? {} : { locked }),
    },
    [{ compression, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) }],
    "build",
    solver,
  ).catch(async (error: unknown) => {
    throw await contextMistake(error, project, ["images", name, "dockerfile"]);
  });
  const graphs = planned.platforms.flatMap(({ platform, images: [image] }) =>
    image === undefined ? [] : [{ platform, image }],
  );
  return {
    name,
    recipe,
    platforms: graphs,
    annotations,
    taken: async (solver) => {
      const sources = await fetchedSources(
        solver,
        graphs.map((graph) => graph.image),
      );
      if (locked !== undefined) requireLocked(sources, locked);
      return { bases: planned.ledger.bases, sources };
    },
  };
}
