import {
  type Compression,
  type ImageRecord,
  indexStep,
  type Json,
  type LayerListener,
  type LayerThread,
  type SimulationRecord,
  type Solver,
  type Step,
} from "../build/index.ts";
import type { Resolution } from "../debian/index.ts";
import {
  type Descriptor,
  hostPlatform,
  type LayerRecord,
  normalizePlatform,
  type Platform,
  parsePlatform,
} from "../image/index.ts";
import { cacheDirectory, type Environment, WhittleError, type Work } from "../io/index.ts";
import {
  annotationsOf,
  emptinessOf,
  type GraphOptions,
  gitVariables,
  type ImageRecipe,
  imageGraph,
  type PlatformGraph,
  variablesIn,
} from "../recipe/index.ts";
import type { Store } from "../store/index.ts";
import {
  type BuildCaches,
  exportCaches,
  importedCaches,
  requireInlineFits,
  wantsInlineCache,
} from "./build-caches.ts";
import { Contexts } from "./contexts.ts";
import type { DockerfileLock } from "./dockerfile-lock.ts";
import type { DockerfileOptions } from "./dockerfile-options.ts";
import { sourceDateEpoch } from "./epoch.ts";
import { updateLock } from "./lock.ts";
import { wantedDockerfile, wantedLock, wantedResolution } from "./locked.ts";
import { solvePlatforms } from "./platforms.ts";
import type { Project } from "./read.ts";
import { recipeMistake } from "./recipe-mistake.ts";
import { withSolver } from "./solver.ts";

/** How a project is to be built. */
export interface BuildOptions extends Work, BuildCaches {
  readonly store: Store;
  readonly environment: Environment;
  /** Names of the images to build; all of them when absent. */
  readonly images?: readonly string[];
  /** Instead of the recipe's. */
  readonly platforms?: readonly string[];
  readonly noCache?: boolean;
  /** Ask the archive for news even when it was asked a short time ago. */
  readonly pull?: boolean;
  /** Hears of layers while they are written. */
  readonly layers?: LayerListener;
  /** Take exactly what `whittle.lock` records. */
  readonly locked?: boolean;
  /** Whether `whittle.lock` is written; by default it is. */
  readonly recordLock?: boolean;
  readonly compression?: Compression;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** What the images of Dockerfiles are given beside what the project says. */
  readonly dockerfile?: Pick<
    DockerfileOptions,
    | "target"
    | "buildArguments"
    | "contexts"
    | "directory"
    | "secrets"
    | "network"
    | "extraHosts"
    | "allow"
    | "shmSize"
    | "pidsLimit"
    | "limits"
    | "failed"
    | "noCacheFilter"
  >;
}

/** One platform of a built image. */
export interface BuiltPlatform {
  readonly platform: Platform;
  readonly descriptor: Descriptor;
  /** The lowest layers, where they were taken over from a base image. */
  readonly base: readonly Descriptor[];
  /** The layers that were made, which lie over those of the base. */
  readonly layers: readonly LayerRecord[];
  readonly resolution?: Resolution;
  readonly simulation?: SimulationRecord;
}

/** A built image. */
export interface BuiltImage {
  readonly name: string;
  /** An index when several platforms were built, else the one manifest. */
  readonly descriptor: Descriptor;
  readonly platforms: readonly BuiltPlatform[];
  /** Manifests that speak of the images: the reasons of each carved one. */
  readonly referrers: readonly Descriptor[];
  /** What the Dockerfile of a project's image took from outside. */
  readonly taken?: DockerfileLock;
}

/** The graph of one image of a project, and what it needs to be solved. */
export interface PlannedImage {
  readonly name: string;
  readonly recipe: ImageRecipe;
  readonly platforms: readonly PlatformGraph[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Tells what a Dockerfile took from outside, once its graph is solved, and holds it to the lock. */
  readonly taken?: (solver: Solver) => Promise<DockerfileLock>;
}

/**
 * Makes the graphs of a project's images; nothing is fetched or computed but the bases of Dockerfiles.
 *
 * @param contexts - what is known already of the images that others stand on
 * @param solver - what the graphs are going to be solved with
 * @throws WhittleError `NOT_FOUND` for an image that the recipe does not have, `PLATFORM_UNSUPPORTED`
 */
export async function planProject(
  project: Project,
  options: BuildOptions,
  contexts: Contexts = Contexts.of(options, planProject),
  solver?: Solver,
): Promise<PlannedImage[]> {
  const { images } = project.recipe;
  const wanted = options.images ?? Object.keys(images);
  const epoch = sourceDateEpoch(options.environment);
  const lock = options.locked === true ? await wantedLock(project) : undefined;
  return Promise.all(
    wanted.map(async (name) => {
      const recipe = images[name];
      if (recipe === undefined) {
        throw new WhittleError(
          "NOT_FOUND",
          `Cannot build the image "${name}": ${project.file} has no such image`,
          {
            hint: `it has: ${Object.keys(images).join(", ")}`,
          },
        );
      }
      const platforms = platformsOf(recipe, options.platforms);
      if (recipe.dockerfile !== undefined) {
        const { planDockerfileImage } = await import("./plan-dockerfile.ts");
        const described = { ...recipe, dockerfile: recipe.dockerfile };
        const variables = await variablesFor(project, recipe);
        const locked = lock === undefined ? {} : { locked: wantedDockerfile(lock, name, recipe.dockerfile) };
        const image = { project, name, recipe: described, platforms, variables, ...locked };
        return planDockerfileImage(image, options, contexts.finder(project, name), solver);
      }
      const emptiness = emptinessOf(name, recipe);
      if (emptiness !== undefined) options.progress({ kind: "warning", text: emptiness });
      const cache = cacheDirectory(options.environment);
      const graph: GraphOptions = {
        platforms,
        context: { directory: project.directory, cacheDirectory: cache },
        archive: {
          cacheDirectory: cache,
          environment: options.environment,
          ...(options.pull === undefined ? {} : { refresh: options.pull }),
        },
        compression: options.compression ?? { type: "gzip" },
        ...(epoch === undefined ? {} : { sourceDateEpoch: epoch }),
        variables: await variablesFor(project, recipe),
        ...(lock === undefined ? {} : { locked: (platform) => wantedResolution(lock, name, platform) }),
        ...(options.labels === undefined ? {} : { labels: options.labels }),
        ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
      };
      return {
        name,
        recipe,
        platforms: imageGraph(recipe, graph),
        annotations: annotationsOf(recipe, graph),
      };
    }),
  );
}

/**
 * Builds images of a project into the store, without giving them names.
 *
 * @throws WhittleError whatever a step fails with; the store then holds finished blobs only. `USAGE` for a cache
 *   inside of an image that no Dockerfile describes
 */
export async function buildProject(project: Project, options: BuildOptions): Promise<BuiltImage[]> {
  requireInlineFits(project, options);
  const imported = await importedCaches(options);
  const contexts = Contexts.of(options, planProject, imported);
  const build = async (solver: Solver, thread: LayerThread): Promise<BuiltImage[]> => {
    const planned = await planProject(project, options, contexts, solver);
    if (planned.flatMap(({ platforms }) => platforms).length > 1) thread.expectSeveral();
    const built = await Promise.allSettled(
      planned.map((image) =>
        buildImage(solver, image).catch(async (error: unknown) => {
          throw await recipeMistake(error, project, image);
        }),
      ),
    );
    const failed = built.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    const images = built.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    if (options.locked !== true && options.recordLock !== false) await updateLock(project, images, options);
    await exportCaches([solver, contexts.solver ?? []].flat(), options);
    if (!wantsInlineCache(options)) return images;
    const { withInlineCache } = await import("./cache-inline.ts");
    return Promise.all(
      images.map((image, at) => {
        const steps = planned[at]?.platforms.map((graph) => graph.image) ?? [];
        return withInlineCache(image, steps, solver, options);
      }),
    );
  };
  return withSolver(options, build, imported);
}

async function buildImage(solver: Solver, planned: PlannedImage): Promise<BuiltImage> {
  const { name, platforms, annotations, taken } = planned;
  const index =
    platforms.length > 1
      ? indexStep(
          platforms.map((graph) => graph.image),
          annotations,
        )
      : undefined;
  await solvePlatforms(solver, platforms);
  if (index !== undefined) await solver.solve(index);
  const took = await taken?.(solver);
  const builtPlatforms = await Promise.all(platforms.map((graph) => builtPlatform(solver, graph)));
  const [first] = builtPlatforms;
  if (first === undefined) throw new Error("Internal error: an image without a platform was built");
  return {
    name,
    ...(took === undefined ? {} : { taken: took }),
    descriptor: index === undefined ? first.descriptor : await recordOf<Descriptor>(solver, index),
    platforms: builtPlatforms,
    referrers: await Promise.all(
      platforms.flatMap((graph) =>
        graph.reasons === undefined ? [] : [recordOf<Descriptor>(solver, graph.reasons)],
      ),
    ),
  };
}

async function builtPlatform(solver: Solver, graph: PlatformGraph): Promise<BuiltPlatform> {
  const { descriptor, base, layers } = await recordOf<ImageRecord>(solver, graph.image);
  const { resolution, simulation } = graph;
  return {
    platform: statedBy(descriptor) ?? graph.platform,
    descriptor,
    base,
    layers,
    ...(resolution === undefined ? {} : { resolution: await recordOf<Resolution>(solver, resolution) }),
    ...(simulation === undefined ? {} : { simulation: await recordOf<SimulationRecord>(solver, simulation) }),
  };
}

/** What an image of Dockerfiles says that it is for, which its base decides. */
function statedBy({ platform }: Descriptor): Platform | undefined {
  return platform === undefined ? undefined : normalizePlatform(platform);
}

/** The record of a step that the solver has solved already. */
async function recordOf<T>(solver: Solver, step: Step): Promise<T> {
  const record: Json = (await solver.solve(step)).record;
  return record as unknown as T;
}

function platformsOf(recipe: ImageRecipe, chosen: readonly string[] | undefined): Platform[] {
  const names = chosen ?? recipe.platforms;
  return names === undefined ? [hostPlatform()] : names.map(parsePlatform);
}

async function variablesFor(
  project: Project,
  recipe: ImageRecipe,
): Promise<Record<string, string | undefined>> {
  const texts = [...Object.values(recipe.config?.labels ?? {}), ...Object.values(recipe.annotations ?? {})];
  const wanted = variablesIn(texts);
  const git = [...wanted].some((name) => name.startsWith("git."))
    ? await gitVariables(project.directory)
    : {};
  return { name: project.name, ...git };
}
