import { fstatSync } from "node:fs";
import { resolve } from "node:path";
import { parseReference } from "../../image/index.ts";
import { noProgress, WhittleError } from "../../io/index.ts";
import { type BuildOptions, type BuiltImage, buildProject, readProject } from "../../project/index.ts";
import { parseAnnotations } from "../annotations.ts";
import { addBuildOptions, type BuildFlags } from "../build-flags.ts";
import { callOf } from "../call.ts";
import { parseCompression } from "../compression.ts";
import { deliver } from "../deliver.ts";
import { heedDockerFlags } from "../docker-flags.ts";
import { chosenDockerfile, dockerfileOptions } from "../dockerfile-options.ts";
import { pairs } from "../options.ts";
import type { Output } from "../output.ts";
import { platformNames } from "../platform-names.ts";
import { pushFor } from "../push-for.ts";
import type { VerbContext, VerbModule } from "../verb.ts";
import { checkOutputs } from "../write-output.ts";

export const command: VerbModule = {
  define(command, run) {
    addBuildOptions(command);
    command.action((place: string, flags: BuildFlags) =>
      run((context) => build(place, flags, flags.quiet === true ? quietly(context) : context)),
    );
  },
};

function quietly(context: VerbContext): VerbContext {
  return { ...context, progress: noProgress, err: () => undefined };
}

async function build(place: string, flags: BuildFlags, context: VerbContext): Promise<number> {
  heedDockerFlags(flags, context.progress);
  const outputs = await outputsOf(flags);
  checkOutputs(outputs);
  if (outputs.some((output) => output.type === "daemon")) {
    const { dockerProgram } = await import("../docker-load.ts");
    dockerProgram(context.environment);
  }
  for (const tag of [...flags.tag, ...outputs.flatMap(({ names }) => names)]) requireName(tag);
  const dockerfile = chosenDockerfile(place, flags.file, context.currentDirectory);
  if (dockerfile !== undefined) {
    const { buildOneDockerfile } = await import("../build-dockerfile.ts");
    return buildOneDockerfile(dockerfile, flags, outputs, context);
  }
  return buildRecipe(resolve(context.currentDirectory, place), flags, outputs, context);
}

async function buildRecipe(
  place: string,
  flags: BuildFlags,
  outputs: readonly Output[],
  context: VerbContext,
): Promise<number> {
  const { method } = callOf(flags);
  if (method !== "build") {
    throw new WhittleError("USAGE", `Cannot --call=${method} a whittle.yaml: a Dockerfile is wanted`, {
      hint: "-f names one; --dry-run shows what a recipe comes to",
    });
  }
  const options = await recipeOptions(flags, context);
  const project = await readProject(place, flags.file);
  const names = flags.image.length > 0 ? flags.image : Object.keys(project.recipe.images);
  if (names.length > 1 && (flags.tag.length > 0 || outputs.some((output) => output.type !== "store"))) {
    throw new WhittleError("USAGE", `Cannot give one name to ${names.length} images: ${names.join(", ")}`, {
      hint: "choose one with --image",
    });
  }
  if (flags.dryRun === true) {
    const { dryRun } = await import("../dry-run.ts");
    context.out(await dryRun(project, options, flags.format));
    return 0;
  }
  const { input: _, ...given } = dockerfileOptions(flags, context.currentDirectory, context.environment);
  const { push, layers } = await pushFor(outputs, flags.tag, options.store, context);
  const told = layers === undefined ? {} : { layers };
  const make = () => buildProject(project, { ...options, ...told, dockerfile: given });
  const built = await (push === undefined ? make() : push.during(make));
  const deliveries = built.map((image) => ({
    image,
    names: tagsOf(project.name, image, names.length, flags),
    outputs,
    ...(push === undefined ? {} : { push }),
  }));
  await deliver(deliveries, flags, context);
  return 0;
}

async function recipeOptions(flags: BuildFlags, context: VerbContext): Promise<BuildOptions> {
  const platforms = platformNames(flags);
  return {
    store: await context.store(),
    environment: context.environment,
    progress: context.progress,
    signal: context.signal,
    noCache: !flags.cache,
    ...(flags.pull === undefined ? {} : { pull: flags.pull }),
    ...(flags.locked === undefined ? {} : { locked: flags.locked }),
    ...(flags.image.length === 0 ? {} : { images: flags.image }),
    ...(platforms === undefined ? {} : { platforms }),
    ...(flags.compression === undefined ? {} : { compression: parseCompression(flags.compression) }),
    ...(await cacheOptions(flags, context.currentDirectory)),
    labels: pairs(flags.label, "--label", "alone too"),
    annotations: parseAnnotations(flags.annotation).manifest,
  };
}

/** Most builds name no caches, and need not wait for what reads their names. */
async function cacheOptions(
  flags: BuildFlags,
  directory: string,
): Promise<Pick<BuildOptions, "cacheFrom" | "cacheTo">> {
  if (flags.cacheFrom.length + flags.cacheTo.length === 0) return {};
  const { cacheSource, cacheTarget } = await import("../cache-options.ts");
  return {
    cacheFrom: flags.cacheFrom.map((text) => cacheSource(text, directory)),
    cacheTo: flags.cacheTo.map((text) => cacheTarget(text, directory)),
  };
}

async function outputsOf(flags: BuildFlags): Promise<Output[]> {
  // Most builds have none, and need not wait for what reads them.
  const read = flags.output.length === 0 ? [] : flags.output.map((await import("../output.ts")).parseOutput);
  const outputs = flags.quiet === true ? read : read.map(intoPipe);
  const plain = { archive: true, names: [], form: {}, indexAnnotations: {} };
  if (flags.load === true) outputs.push({ type: "daemon", push: false, ...plain });
  if (flags.push === true) outputs.push({ type: "store", push: true, ...plain });
  return outputs;
}

/** `-o type=docker | docker load`: the archive goes where somebody waits for it, as buildctl has it. */
function intoPipe(output: Output): Output {
  return output.type === "daemon" && isPipe(1) ? { ...output, type: "docker", dest: "-" } : output;
}

function isPipe(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFIFO();
  } catch {
    return false;
  }
}

/** Finds a name that the store cannot give before anything is built. */
function requireName(tag: string): void {
  const { transport } = parseReference(tag);
  if (transport === "store") return;
  throw new WhittleError(
    "USAGE",
    `Cannot give the image the name "${tag}": it is a place, a name is wanted`,
    {
      hint: `-o type=oci|docker|tar|local,dest=PATH writes an image elsewhere`,
    },
  );
}

/** Without `-t` an image is called after its project, so that it can be run and inspected. */
function tagsOf(project: string, image: BuiltImage, count: number, flags: BuildFlags): readonly string[] {
  if (flags.tag.length > 0) return flags.tag;
  const usual = `${project}:${image.name}`;
  return count === 1 ? [usual, `${project}:latest`] : [usual];
}
