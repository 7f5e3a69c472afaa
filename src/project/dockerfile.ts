import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  baseStep,
  type Compression,
  contextStep,
  type FilteredContext,
  type ImageRecord,
  indexStep,
  type Step,
} from "../build/index.ts";
import {
  type BaseImage,
  type Dockerfile,
  ignoreMatcher,
  type PlanOptions,
  parseDockerfile,
  parseIgnoreFile,
  planDockerfile,
} from "../dockerfile/index.ts";
import {
  type Descriptor,
  formatPlatform,
  hostPlatform,
  openImage,
  type Platform,
  parsePlatform,
} from "../image/index.ts";
import {
  cacheDirectory,
  type Environment,
  explainSystemError,
  parseDigest,
  WhittleError,
  type Work,
} from "../io/index.ts";
import type { Store } from "../store/index.ts";
import { type BuiltImage, sourceDateEpoch } from "./build.ts";
import { solverFor } from "./solver.ts";

/** How a Dockerfile is to be built. */
export interface DockerfileOptions extends Work {
  readonly store: Store;
  readonly environment: Environment;
  /** Absolute path of the context. */
  readonly context: string;
  /** Absolute path of the Dockerfile. */
  readonly file: string;
  /** What the built image is called in reports. */
  readonly name: string;
  readonly target?: string;
  readonly buildArguments: ReadonlyMap<string, string>;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platforms?: readonly string[];
  /** Directories, or images as `docker-image://NAME`, by the name that the Dockerfile uses. */
  readonly contexts?: ReadonlyMap<string, string>;
  readonly secrets?: ReadonlyMap<string, () => Promise<Uint8Array | undefined>>;
  readonly network?: "default" | "none" | "host";
  readonly extraHosts?: readonly (readonly [string, string])[];
  readonly noCache?: boolean;
  readonly compression?: Compression;
}

/**
 * Builds the image of a Dockerfile into the store, without giving it a name.
 *
 * @throws WhittleError `DOCKERFILE_INVALID`, `NOT_FOUND` for a base image that the store does not have, and whatever
 *   a step fails with
 */
export async function buildDockerfile(options: DockerfileOptions): Promise<BuiltImage> {
  const dockerfile = parseDockerfile(await readDockerfile(options.file), options.file);
  const platforms = (options.platforms ?? [formatPlatform(hostPlatform())]).map(parsePlatform);
  const cache = cacheDirectory(options.environment);
  const filtered = await filteredContext(options, cache);
  const context = contextStep("context", filtered);
  const planned = await Promise.all(
    platforms.map((platform) => planOne(dockerfile, platform, context, filtered.ignored, cache, options)),
  );
  const solver = solverFor(options);
  const images = planned.map(({ image }) => image);
  const index = images.length > 1 ? indexStep(images, options.annotations) : undefined;
  const settled = await Promise.allSettled(
    [...images, ...(index === undefined ? [] : [index])].map((step) => solver.solve(step)),
  );
  const failed = settled.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  const built = await Promise.all(
    planned.map(async ({ platform, image }) => ({
      platform,
      ...((await solver.solve(image)).record as unknown as ImageRecord),
    })),
  );
  const [first] = built;
  if (first === undefined) throw new Error("Internal error: an image without a platform was built");
  const descriptor =
    index === undefined ? first.descriptor : ((await solver.solve(index)).record as unknown as Descriptor);
  return { name: options.name, descriptor, platforms: built, referrers: [] };
}

function planOne(
  dockerfile: Dockerfile,
  platform: Platform,
  context: Step,
  hidden: FilteredContext["ignored"],
  cache: string,
  options: DockerfileOptions,
): ReturnType<typeof planDockerfile> {
  const epoch = sourceDateEpoch(options.environment);
  const contexts = new Map<string, Step>();
  const imageContexts = new Map<string, string>();
  for (const [name, value] of options.contexts ?? []) {
    const image = /^docker-image:\/\/(.+)$/.exec(value)?.[1];
    if (image !== undefined) imageContexts.set(name, image);
    else contexts.set(name, contextStep(name, { directory: resolve(value), cacheDirectory: cache }));
  }
  const plan: PlanOptions = {
    ...(options.target === undefined ? {} : { target: options.target }),
    buildArguments: options.buildArguments,
    labels: options.labels,
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
    platform,
    buildPlatform: hostPlatform(),
    context,
    ...(hidden === undefined ? {} : { hidden }),
    contexts,
    imageContexts,
    base: (name, wanted) => baseImage(name, wanted, cache, options),
    network: options.network ?? "default",
    extraHosts: options.extraHosts ?? [],
    allowInsecure: false,
    compression: options.compression ?? { type: "gzip" },
    ...(epoch === undefined ? {} : { epoch }),
    environment: options.environment,
    cacheDirectory: cache,
    secret: async (id) => options.secrets?.get(id)?.(),
  };
  return planDockerfile(dockerfile, plan);
}

async function baseImage(
  name: string,
  platform: Platform,
  cache: string,
  options: DockerfileOptions,
): Promise<BaseImage> {
  const descriptor = await options.store.resolve(name);
  if (descriptor === undefined) {
    throw new WhittleError("NOT_FOUND", `Cannot build on ${name}: the store has no such image`, {
      hint: `whittle tag IMAGE ${name}, or --build-context ${name}=docker-image://IMAGE`,
    });
  }
  const image = await openImage(options.store, descriptor, platform);
  const [config, layers] = await Promise.all([image.config(), image.layers()]);
  return {
    step: baseStep(image.descriptor.digest, { image, cacheDirectory: cache }),
    config,
    layers: layers.map((layer) => ({ descriptor: layer.descriptor, diffId: parseDigest(layer.diffId) })),
  };
}

const mostBytes = 4 * 1024 * 1024;

async function readDockerfile(file: string): Promise<string> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw explainSystemError(error, `read ${file}`);
  });
  if (bytes.length <= mostBytes) return bytes.toString("utf8");
  throw new WhittleError(
    "DOCKERFILE_INVALID",
    `Cannot build from ${file}: it is larger than ${mostBytes} bytes`,
  );
}

/** `NAME.dockerignore` beside the Dockerfile goes before `.dockerignore` of the context. */
async function filteredContext(options: DockerfileOptions, cache: string): Promise<FilteredContext> {
  const context = { directory: options.context, cacheDirectory: cache };
  for (const file of [`${options.file}.dockerignore`, join(options.context, ".dockerignore")]) {
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    const matcher = ignoreMatcher(parseIgnoreFile(text, file), file);
    return {
      ...context,
      ignored: (path) => matcher.matches(path),
      entered: (path) => matcher.couldMatchBelow(path),
    };
  }
  return context;
}
