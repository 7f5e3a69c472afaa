import { resolve } from "node:path";
import { contextStep, type ImageRecord, type Solver } from "../build/index.ts";
import type { BaseImage, NamedContext } from "../dockerfile/index.ts";
import { formatPlatform, formatReference, type Platform, parseReference } from "../image/index.ts";
import { cacheDirectory, WhittleError } from "../io/index.ts";
import type { ContextRecipe } from "../recipe/index.ts";
import { describedBase, openBase } from "./base-image.ts";
import type { BuildOptions, PlannedImage } from "./build.ts";
import { contextMistake } from "./context-mistake.ts";
import { ignoredContext } from "./ignored-context.ts";
import { type ImageName, imageNamed, parseImageName } from "./image-name.ts";
import type { ImportedCache } from "./outcomes.ts";
import { endOf } from "./platforms.ts";
import { type Project, readProject } from "./read.ts";
import { solverFor } from "./solver.ts";

/** Finds what stands for the name of an image or stage; undefined when nothing does. */
export type FindContext = (name: string, platform: Platform) => Promise<NamedContext | undefined>;

/** Makes the graphs of a project's images; given, because it uses contexts itself. */
export type PlanImages = (
  project: Project,
  options: BuildOptions,
  contexts: Contexts,
) => Promise<readonly PlannedImage[]>;

/** What all contexts of a build have in common. */
interface Shared {
  readonly options: BuildOptions;
  readonly plan: PlanImages;
  /** Nothing where images are described and not built. */
  readonly solver: Solver | undefined;
  readonly projects: Map<string, Promise<Project>>;
  readonly images: Map<string, Promise<BaseImage>>;
  /** Which images each image stands on, as far as it is known; two that wait for each other would wait for ever. */
  readonly below: Map<string, readonly string[]>;
}

/**
 * The images and directories that stand for names in Dockerfiles, as `contexts:` of a `whittle.yaml` says. Images of
 * projects are built when something asks for them, each once; as a base of any build, they are not built anew because
 * a person wants the steps of the Dockerfile run again.
 */
export class Contexts {
  readonly #shared: Shared;
  /** The image that is being planned with these. */
  readonly #planned: string | undefined;

  private constructor(shared: Shared, planned: string | undefined) {
    this.#shared = shared;
    this.#planned = planned;
  }

  /** Contexts that only say how the images of projects would be built: nothing is known of what these hold. */
  static described(options: BuildOptions, plan: PlanImages): Contexts {
    return Contexts.#from(options, plan, () => undefined);
  }

  /** @param imported - caches of earlier builds that images are taken from as well */
  static of(options: BuildOptions, plan: PlanImages, imported: readonly ImportedCache[] = []): Contexts {
    return Contexts.#from(options, plan, (plain) => solverFor(plain, imported));
  }

  /** What the images of projects were built with. */
  get solver(): Solver | undefined {
    return this.#shared.solver;
  }

  static #from(
    options: BuildOptions,
    plan: PlanImages,
    solverOf: (options: BuildOptions) => Solver | undefined,
  ): Contexts {
    const { store, environment, progress, signal, pull } = options;
    const plain: BuildOptions = {
      store,
      environment,
      progress,
      signal,
      ...(pull === undefined ? {} : { pull }),
    };
    const solver = solverOf(plain);
    const shared: Shared = {
      options: plain,
      plan,
      solver,
      projects: new Map(),
      images: new Map(),
      below: new Map(),
    };
    return new Contexts(shared, undefined);
  }

  /**
   * What a project calls by name.
   *
   * @param image - whose own contexts go before those of the whole project
   */
  finder(project: Project, image?: string): FindContext {
    const values = new Map<string, { recipe: ContextRecipe; at: readonly string[] }>();
    for (const [name, recipe] of Object.entries(project.recipe.contexts ?? {})) {
      values.set(spelled(name), { recipe, at: ["contexts", name] });
    }
    const own = image === undefined ? undefined : project.recipe.images[image]?.contexts;
    for (const [name, recipe] of Object.entries(own ?? {})) {
      values.set(spelled(name), { recipe, at: ["images", image ?? "", "contexts", name] });
    }
    return async (name, platform) => {
      const value = values.size === 0 ? undefined : values.get(spelled(name));
      if (value === undefined) return undefined;
      try {
        return await this.#context(project, name, value.recipe, platform);
      } catch (error) {
        throw await contextMistake(error, project, value.at);
      }
    };
  }

  async #context(
    project: Project,
    name: string,
    recipe: ContextRecipe,
    platform: Platform,
  ): Promise<NamedContext> {
    const { options } = this.#shared;
    const cache = cacheDirectory(options.environment);
    if ("directory" in recipe) {
      const { filtered } = await ignoredContext(resolve(project.directory, recipe.directory), [], cache);
      return { kind: "files", step: contextStep(name, filtered) };
    }
    const wanted = meantImage(project, recipe);
    if (wanted.kind === "store") {
      const descriptor = await options.store.resolve(wanted.reference);
      if (descriptor !== undefined) {
        return { kind: "image", image: await openBase(options.store, descriptor, platform, cache, name) };
      }
      throw new WhittleError(
        "NOT_FOUND",
        `Cannot use ${wanted.reference} as ${name}: neither the store nor the project has such an image`,
        { hint: "a directory with a whittle.yaml is written with ./ or ../ in front" },
      );
    }
    const other = wanted.directory === undefined ? project : await this.#project(wanted.directory);
    const image = await this.#image(other, imageNamed(other, wanted.image), platform, name);
    return { kind: "image", image };
  }

  #project(directory: string): Promise<Project> {
    const { projects } = this.#shared;
    let project = projects.get(directory);
    if (project === undefined) {
      project = readProject(directory);
      projects.set(directory, project);
    }
    return project;
  }

  #image(project: Project, image: string, platform: Platform, name: string): Promise<BaseImage> {
    const { images } = this.#shared;
    const key = `${project.file}#${image} ${formatPlatform(platform)}`;
    this.#stand(key, image);
    let found = images.get(key);
    if (found === undefined) {
      found = this.#built(project, image, platform, name, key);
      images.set(key, found);
    }
    return found;
  }

  /** Notes that the image which is being planned stands on another one, unless that one stands on it already. */
  #stand(key: string, image: string): void {
    const { below } = this.#shared;
    if (this.#planned === undefined) return;
    const way = wayDown(below, key, this.#planned);
    if (way !== undefined) {
      const names = [this.#planned, ...way].map((one) => one.replace(/^.*#(.*) .*$/, "$1"));
      throw new WhittleError(
        "RECIPE_INVALID",
        `Cannot build ${image}: it stands on itself, ${names.join(" → ")}`,
      );
    }
    below.set(this.#planned, [...(below.get(this.#planned) ?? []), key]);
  }

  async #built(
    project: Project,
    image: string,
    platform: Platform,
    name: string,
    key: string,
  ): Promise<BaseImage> {
    const { options, plan, solver } = this.#shared;
    const inner = new Contexts(this.#shared, key);
    const chosen = { ...options, images: [image], platforms: [formatPlatform(platform)] };
    const [planned] = await plan(project, chosen, inner);
    const [graph] = planned?.platforms ?? [];
    if (graph === undefined) throw new Error("Internal error: an image without a platform was planned");
    if (solver === undefined) return describedBase(endOf(graph), platform);
    const { descriptor } = (await solver.solve(graph.image)).record as unknown as ImageRecord;
    return openBase(options.store, descriptor, platform, cacheDirectory(options.environment), name);
  }
}

/** The way from an image down to another one, both included. */
function wayDown(
  below: ReadonlyMap<string, readonly string[]>,
  from: string,
  to: string,
): readonly string[] | undefined {
  if (from === to) return [from];
  for (const next of below.get(from) ?? []) {
    const way = wayDown(below, next, to);
    if (way !== undefined) return [from, ...way];
  }
  return undefined;
}

function meantImage(project: Project, recipe: Exclude<ContextRecipe, { directory: string }>): ImageName {
  if (!("project" in recipe)) return parseImageName(recipe.image, project.directory, project);
  const directory = resolve(project.directory, recipe.project);
  return { kind: "project", directory, ...(recipe.image === undefined ? {} : { image: recipe.image }) };
}

/** One spelling for names that mean the same: `docker.io/library/x:latest` and `x`. */
function spelled(name: string): string {
  try {
    return formatReference(parseReference(name)).replace(/:latest$/, "");
  } catch {
    // The name of a stage need not be one of an image.
    return name.toLowerCase();
  }
}
