import { isAbsolute, join, relative, sep } from "node:path";
import type { ImageForm } from "../dockerfile/index.ts";
import { canonicalJson, WhittleError } from "../io/index.ts";
import {
  buildDockerfileForms,
  checkDockerfile,
  contextsBeside,
  type DockerfileOptions,
  dockerfileStages,
  outlineDockerfile,
  planDockerfileBuild,
  readDockerfileLock,
  updateDockerfileLock,
} from "../project/index.ts";
import { type Annotations, parseAnnotations } from "./annotations.ts";
import type { BuildFlags } from "./build-flags.ts";
import { cacheSource, cacheTarget } from "./cache-options.ts";
import { type Call, callOf, renderOutline, renderTargets } from "./call.ts";
import { parseCompression } from "./compression.ts";
import { type Delivery, deliver } from "./deliver.ts";
import { type ChosenDockerfile, dockerfileOptions } from "./dockerfile-options.ts";
import { pairs } from "./options.ts";
import type { Output } from "./output.ts";
import { platformNames } from "./platform-names.ts";
import { pushFor } from "./push-for.ts";
import { renderFinding } from "./report.ts";
import type { VerbContext } from "./verb.ts";

/** Builds, checks or shows the graph of a Dockerfile, as the flags say; answers with the exit status. */
export async function buildOneDockerfile(
  chosen: ChosenDockerfile,
  flags: BuildFlags,
  outputs: readonly Output[],
  context: VerbContext,
): Promise<number> {
  const options = await optionsOf(chosen, flags, context);
  const call = callOf(flags);
  if (call.method === "check") return check(options, call, context);
  if (call.method === "targets") {
    context.out(renderTargets(await dockerfileStages(options), call.format));
    return 0;
  }
  if (call.method === "outline") {
    context.out(renderOutline(await outlineDockerfile(options), call.format));
    return 0;
  }
  const annotations = parseAnnotations(flags.annotation);
  const wanted = wantedForms(outputs, flags, annotations);
  if (flags.dryRun === true) {
    const { graphJson, graphText } = await import("./dry-run.ts");
    const steps = await planDockerfileBuild(options);
    context.out(flags.format === "json" ? graphJson(steps) : graphText(steps));
    return 0;
  }
  const names = flags.tag.length > 0 ? flags.tag : [`${chosen.name}:latest`];
  const { push, layers } = await pushFor(outputs, flags.tag, options.store, context);
  const told = layers === undefined ? options : { ...options, layers };
  const forms = wanted.map(({ form }) => form);
  const make = () => buildDockerfileForms(told, forms);
  const built = await (push === undefined ? make() : push.during(make));
  const deliveries = wanted.flatMap(({ outputs: to }, index): Delivery[] => {
    const image = built[index];
    return image === undefined
      ? []
      : [{ image, names, outputs: to, ...(push === undefined ? {} : { push }) }];
  });
  await deliver(deliveries, flags, context);
  return 0;
}

async function check(options: DockerfileOptions, { format }: Call, context: VerbContext): Promise<number> {
  const { warnings, error } = await checkDockerfile(options);
  if (format === "json") {
    context.out(`${JSON.stringify({ warnings }, undefined, 2)}\n`);
  } else {
    for (const { rule, message, at } of warnings) {
      context.out(renderFinding(rule, message, at, context.colour));
    }
  }
  if (error !== undefined) throw error;
  if (format !== "json") {
    const found = warnings.length === 1 ? "1 warning has" : `${warnings.length || "no"} warnings have`;
    context.err(`Check complete, ${found} been found.\n`);
  }
  return warnings.length === 0 ? 0 : 1;
}

interface WantedForm {
  readonly form: ImageForm;
  readonly outputs: readonly Output[];
}

/** Outputs that want the image written alike share it. */
function wantedForms(
  outputs: readonly Output[],
  flags: BuildFlags,
  annotations: Annotations,
): readonly WantedForm[] {
  const compression =
    flags.compression === undefined ? { type: "gzip" as const } : parseCompression(flags.compression);
  const usual: ImageForm = {
    compression,
    annotations: annotations.manifest,
    platformAnnotations: annotations.platforms,
    indexAnnotations: annotations.index,
    descriptorAnnotations: annotations.manifestDescriptor,
  };
  if (outputs.length === 0) return [{ form: usual, outputs: [] }];
  const groups = new Map<string, WantedForm & { readonly outputs: Output[] }>();
  for (const output of outputs) {
    const key = canonicalJson([output.form, output.indexAnnotations]);
    const form = {
      ...usual,
      ...output.form,
      annotations: { ...usual.annotations, ...output.form.annotations },
      indexAnnotations: { ...usual.indexAnnotations, ...output.indexAnnotations },
    };
    const group = groups.get(key) ?? { form, outputs: [] };
    group.outputs.push(output);
    groups.set(key, group);
  }
  return [...groups.values()];
}

async function optionsOf(
  chosen: ChosenDockerfile,
  flags: BuildFlags,
  context: VerbContext,
): Promise<DockerfileOptions> {
  const platforms = platformNames(flags);
  if (flags.image.length > 0) {
    throw new WhittleError("USAGE", "Cannot use --image with a Dockerfile: it makes one image", {
      hint: "--target chooses a stage",
    });
  }
  const home = {
    store: await context.store(),
    environment: context.environment,
    progress: context.progress,
    signal: context.signal,
  };
  const caches = {
    cacheFrom: flags.cacheFrom.map((text) => cacheSource(text, context.currentDirectory)),
    cacheTo: flags.cacheTo.map((text) => cacheTarget(text, context.currentDirectory)),
  };
  const images = flags.dryRun === true ? "described" : "built";
  const beside = await contextsBeside(
    chosen,
    callOf(flags).method === "build" ? { ...home, ...caches } : home,
    images,
  );
  return {
    ...chosen,
    ...dockerfileOptions(flags, context.currentDirectory, context.environment),
    ...home,
    ...(flags.invokeOnError === undefined
      ? {}
      : { failed: (await import("./look-around.ts")).lookAround(flags.invokeOnError, context) }),
    ...beside,
    noCache: !flags.cache,
    ...(flags.pull === undefined ? {} : { pull: flags.pull }),
    ...(await lockOptions(chosen, flags, context)),
    ...caches,
    labels: pairs(flags.label, "--label", "alone too"),
    ...(platforms === undefined ? {} : { platforms }),
  };
}

/** `whittle.lock` lies in the context, where that is a directory. */
async function lockOptions(
  chosen: ChosenDockerfile,
  flags: BuildFlags,
  context: VerbContext,
): Promise<Pick<DockerfileOptions, "locked" | "record">> {
  const { context: directory, file } = chosen;
  if (!isAbsolute(directory) || file === undefined || !isAbsolute(file)) {
    if (flags.locked !== true) return {};
    throw new WhittleError("USAGE", "Cannot build with --locked: only a directory has a whittle.lock");
  }
  const path = join(directory, "whittle.lock");
  const name = relative(directory, file).split(sep).join("/");
  if (flags.locked === true) return { locked: await readDockerfileLock(path, name) };
  return { record: (lock) => updateDockerfileLock(path, name, lock, context) };
}
