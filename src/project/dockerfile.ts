import { type ImageRecord, indexStep, type Solver, type Step } from "../build/index.ts";
import {
  type Asked,
  type BaseImage,
  type Dockerfile,
  type PlannedDockerfile,
  type PlanWarning,
  parseDockerfile,
  planDockerfile,
} from "../dockerfile/index.ts";
import {
  type Descriptor,
  formatPlatform,
  hostPlatform,
  type Platform,
  parsePlatform,
} from "../image/index.ts";
import { cacheDirectory } from "../io/index.ts";
import { located, missingBase, openBase } from "./base-image.ts";
import { type BuiltImage, sourceDateEpoch } from "./build.ts";
import type { DockerfileOptions } from "./dockerfile-options.ts";
import { type MainContext, openMainContext } from "./main-context.ts";
import { NamedContexts } from "./named-contexts.ts";
import { solverFor } from "./solver.ts";

/** A Dockerfile's graphs, one a platform, and what they are solved with. */
export interface PlannedBuild {
  readonly solver: Solver;
  readonly platforms: readonly PlannedDockerfile[];
}

/**
 * Finds the context, reads the Dockerfile and makes its graph; nothing is built.
 *
 * @throws WhittleError `DOCKERFILE_INVALID`, `NOT_FOUND` for a base image or context that is not there
 */
export async function planBuild(options: DockerfileOptions): Promise<PlannedBuild> {
  const cache = cacheDirectory(options.environment);
  const solver = solverFor(options);
  const context = await openMainContext(options, solver, cache);
  const dockerfile = parseDockerfile(context.dockerfile.text, context.dockerfile.name);
  const warn = tellOnce(options);
  for (const warning of dockerfile.warnings) warn(warning);
  const names = options.platforms ?? [formatPlatform(hostPlatform())];
  const planner = new PlatformPlanner(dockerfile, context, options, cache, warn, names.length > 1);
  return {
    solver,
    platforms: await Promise.all(names.map((name) => planner.plan(parsePlatform(name)))),
  };
}

/**
 * Builds the image of a Dockerfile into the store, without giving it a name.
 *
 * @throws WhittleError `DOCKERFILE_INVALID`, `NOT_FOUND` for a base image that the store does not have, and whatever
 *   a step fails with
 */
export async function buildDockerfile(options: DockerfileOptions): Promise<BuiltImage> {
  const { solver, platforms } = await planBuild(options);
  const images = platforms.flatMap((platform) => platform.images);
  const index = images.length > 1 ? indexStep(images, options.indexAnnotations) : undefined;
  const settled = await Promise.allSettled(
    [...images, ...(index === undefined ? [] : [index])].map((step) => solver.solve(step)),
  );
  const failed = settled.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  const built = await Promise.all(
    platforms.map(async ({ platform, images: [image] }) => ({
      platform,
      ...(await recordOf<ImageRecord>(solver, image)),
    })),
  );
  const [first] = built;
  if (first === undefined) throw new Error("Internal error: an image without a platform was built");
  return {
    name: options.name,
    descriptor: index === undefined ? first.descriptor : await recordOf<Descriptor>(solver, index),
    platforms: built,
    referrers: [],
  };
}

async function recordOf<T>(solver: Solver, step: Step | undefined): Promise<T> {
  if (step === undefined) throw new Error("Internal error: a platform without an image was planned");
  return (await solver.solve(step)).record as unknown as T;
}

/** Plans one Dockerfile for several platforms. */
class PlatformPlanner {
  readonly #dockerfile: Dockerfile;
  readonly #context: MainContext;
  readonly #options: DockerfileOptions;
  readonly #cache: string;
  readonly #warn: (warning: PlanWarning) => void;
  readonly #several: boolean;
  readonly #named: NamedContexts;

  constructor(
    dockerfile: Dockerfile,
    context: MainContext,
    options: DockerfileOptions,
    cache: string,
    warn: (warning: PlanWarning) => void,
    several: boolean,
  ) {
    this.#dockerfile = dockerfile;
    this.#context = context;
    this.#options = options;
    this.#cache = cache;
    this.#warn = warn;
    this.#several = several;
    this.#named = new NamedContexts(options, cache);
  }

  plan(platform: Platform): Promise<PlannedDockerfile> {
    const options = this.#options;
    const { step, hidden } = this.#context;
    const epoch = sourceDateEpoch(options.environment);
    return planDockerfile(this.#dockerfile, {
      ...(options.target === undefined ? {} : { target: options.target }),
      buildArguments: options.buildArguments ?? new Map(),
      labels: options.labels ?? {},
      platform,
      showPlatform: this.#several,
      buildPlatform: hostPlatform(),
      context: step,
      ...(hidden === undefined ? {} : { hidden }),
      named: (name, wanted) => this.#named.find(name, wanted),
      base: (name, wanted, asked) => this.#base(name, wanted, asked),
      ...(options.noCacheFilter === undefined ? {} : { fresh: options.noCacheFilter }),
      warn: this.#warn,
      network: options.network ?? "default",
      extraHosts: options.extraHosts ?? [],
      allowInsecure: false,
      forms: [options.form ?? { compression: { type: "gzip" } }],
      ...(epoch === undefined ? {} : { epoch }),
      environment: options.environment,
      cacheDirectory: this.#cache,
      secret: async (id) => options.secrets?.get(id)?.(),
    });
  }

  async #base(name: string, platform: Platform, asked: Asked): Promise<BaseImage> {
    const { store } = this.#options;
    try {
      const descriptor = await store.resolve(name);
      if (descriptor === undefined) throw await missingBase(name, platform, asked, store);
      return await openBase(store, descriptor, platform, this.#cache, name);
    } catch (error) {
      throw located(error, asked);
    }
  }
}

/** Each platform is planned with the same mistakes; a person is told of them once. */
function tellOnce(options: DockerfileOptions): (warning: PlanWarning) => void {
  const told = new Set<string>();
  return (warning) => {
    const { rule, message, at } = warning;
    const key = `${rule} ${at.line} ${at.column} ${message}`;
    if (told.has(key)) return;
    told.add(key);
    if (options.warn !== undefined) options.warn(warning);
    else options.progress({ kind: "warning", text: `${at.file}:${at.line}: ${rule}: ${message}` });
  };
}
