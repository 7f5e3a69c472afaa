import { type ImageRecord, indexStep, type Solver, type Step, stepsOf } from "../build/index.ts";
import {
  type ImageForm,
  type Outline,
  type PlannedDockerfile,
  type PlanWarning,
  parseDockerfile,
  type Stage,
} from "../dockerfile/index.ts";
import type { Descriptor } from "../image/index.ts";
import { cacheDirectory, WhittleError } from "../io/index.ts";
import type { BuiltImage } from "./build.ts";
import { exportCaches, importedCaches, wantsInlineCache } from "./build-caches.ts";
import { fetchedSources, requireLocked } from "./dockerfile-lock.ts";
import type { DockerfileOptions } from "./dockerfile-options.ts";
import { planBuild } from "./dockerfile-plan.ts";
import { openMainContext } from "./main-context.ts";
import { solverFor } from "./solver.ts";

const usualForm: ImageForm = { compression: { type: "gzip" } };

/**
 * Builds the image of a Dockerfile into the store, without giving it a name.
 *
 * @throws WhittleError `DOCKERFILE_INVALID`, `NOT_FOUND` for a base image that the store does not have, and whatever
 *   a step fails with
 */
export async function buildDockerfile(options: DockerfileOptions): Promise<BuiltImage> {
  const [image] = await buildDockerfileForms(options, [options.form ?? usualForm]);
  if (image === undefined) throw new Error("Internal error: an image without a form was built");
  return image;
}

/** Builds an image in several forms; whatever they share is done once. Throws as {@link buildDockerfile}. */
export async function buildDockerfileForms(
  options: DockerfileOptions,
  forms: readonly ImageForm[],
): Promise<BuiltImage[]> {
  const { locked, record } = options;
  const { solver, platforms, ledger } = await planBuild(
    options,
    forms,
    "build",
    solverFor(options, options.imported ?? (await importedCaches(options))),
  );
  const planned = forms.map((form, index) => plannedForm(platforms, form, index));
  const ends = planned.flatMap(({ images, index }) =>
    [...images.map(({ step }) => step), index ?? []].flat(),
  );
  const settled = await Promise.allSettled(ends.map((step) => solver.solve(step)));
  const failed = settled.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  if (locked !== undefined || record !== undefined) {
    const sources = await fetchedSources(solver, ends);
    if (locked !== undefined) requireLocked(sources, locked);
    await record?.({ bases: ledger.bases, sources });
  }
  await exportCaches([solver, options.contextSolver ?? []].flat(), options);
  const built = await Promise.all(planned.map((form) => builtImage(options.name, form, solver)));
  if (!wantsInlineCache(options)) return built;
  const { withInlineCache } = await import("./cache-inline.ts");
  return Promise.all(
    built.map((image, at) => {
      const steps = planned[at]?.images.map(({ step }) => step) ?? [];
      return withInlineCache(image, steps, solver, options);
    }),
  );
}

/** The steps of a build, inputs first, for showing; nothing is built. */
export async function planDockerfileBuild(options: DockerfileOptions): Promise<Step[]> {
  const { platforms } = await planBuild(options, [options.form ?? usualForm]);
  const { images, index } = plannedForm(platforms, options.form ?? usualForm, 0);
  return [...stepsOf(index === undefined ? images.map(({ step }) => step) : [index])];
}

/** What is allowed in a Dockerfile and probably not meant, and what is not allowed. */
export interface CheckedDockerfile {
  /** In the order of the file. */
  readonly warnings: readonly PlanWarning[];
  /** What a build would have failed with: a `WhittleError` `DOCKERFILE_INVALID`, mostly. */
  readonly error?: unknown;
}

/** Checks a Dockerfile. Bases need not be there, and nothing is built. */
export async function checkDockerfile(options: DockerfileOptions): Promise<CheckedDockerfile> {
  const warnings: PlanWarning[] = [];
  const warn = (warning: PlanWarning): void => void warnings.push(warning);
  const [planned] = await Promise.allSettled([planBuild({ ...options, warn }, [usualForm], "check")]);
  warnings.sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
  return { warnings, ...(planned.status === "rejected" ? { error: planned.reason as unknown } : {}) };
}

/**
 * The stages of a Dockerfile, which may be its targets.
 *
 * @throws WhittleError `DOCKERFILE_INVALID`
 */
export async function dockerfileStages(options: DockerfileOptions): Promise<readonly Stage[]> {
  const context = await openMainContext(options, solverFor(options), cacheDirectory(options.environment));
  return parseDockerfile(context.dockerfile.text, context.dockerfile.name).stages;
}

/**
 * What can be given to a Dockerfile's target. Bases need not be there, and nothing is built.
 *
 * @throws WhittleError `DOCKERFILE_INVALID`
 */
export async function outlineDockerfile(options: DockerfileOptions): Promise<Outline> {
  const { platforms } = await planBuild(options, [], "outline");
  const [platform] = platforms;
  if (platform === undefined) throw new Error("Internal error: a Dockerfile was planned for no platform");
  return platform.outline();
}

/** One form of an image: a step for each platform, and one that joins them. */
interface PlannedForm {
  readonly images: readonly { readonly platform: PlannedDockerfile["platform"]; readonly step: Step }[];
  readonly index: Step | undefined;
}

function plannedForm(platforms: readonly PlannedDockerfile[], form: ImageForm, number: number): PlannedForm {
  const images = platforms.flatMap(({ platform, images: steps }) => {
    const step = steps[number];
    return step === undefined ? [] : [{ platform, step }];
  });
  const { indexAnnotations = {}, descriptorAnnotations = {}, docker } = form;
  if (images.length === 1) {
    if (Object.keys({ ...indexAnnotations, ...descriptorAnnotations }).length === 0) {
      return { images, index: undefined };
    }
    throw new WhittleError(
      "USAGE",
      "Cannot annotate the index: an image for a single platform has none, several platforms are wanted",
    );
  }
  const index = indexStep(
    images.map(({ step }) => step),
    indexAnnotations,
    {
      ...(docker === true ? { docker } : {}),
      ...(Object.keys(descriptorAnnotations).length === 0
        ? {}
        : { descriptorAnnotations: images.map(() => descriptorAnnotations) }),
    },
  );
  return { images, index };
}

async function builtImage(name: string, { images, index }: PlannedForm, solver: Solver): Promise<BuiltImage> {
  const platforms = await Promise.all(
    images.map(async ({ platform, step }) => ({ platform, ...(await recordOf<ImageRecord>(solver, step)) })),
  );
  const [first] = platforms;
  if (first === undefined) throw new Error("Internal error: an image without a platform was built");
  const descriptor = index === undefined ? first.descriptor : await recordOf<Descriptor>(solver, index);
  return { name, descriptor, platforms, referrers: [] };
}

async function recordOf<T>(solver: Solver, step: Step): Promise<T> {
  return (await solver.solve(step)).record as unknown as T;
}
