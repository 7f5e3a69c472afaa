import { WhittleError } from "../io/index.ts";
import {
  type MeantImage,
  meantImage,
  type RunBuildOptions,
  runnableMeant,
  serviceContainer,
  startServices,
  takePlace,
} from "../project/index.ts";
import { listContainers, type RunnableImage, type RunOptions } from "../sandbox/index.ts";
import type { RunFlags } from "./run-flags.ts";
import type { VerbContext } from "./verb.ts";

/**
 * Runs an image of a project with the project's services beside it, in a pod that is called after the project. In
 * the background all of them stay; else the services that were started for it end with it.
 */
export async function runProject(
  place: string,
  given: RunOptions,
  flags: RunFlags,
  context: VerbContext,
  start: (image: RunnableImage, options: RunOptions) => Promise<number>,
): Promise<number> {
  const { environment, currentDirectory, progress, signal } = context;
  const [directory] = place.split("#");
  const chosen = flags.image === undefined ? place : `${directory}#${flags.image}`;
  const meant = await meantImage(chosen, currentDirectory);
  if (meant.kind === "store") throw new Error("Internal error: a directory was taken for a name");
  const options: RunBuildOptions = {
    store: await context.store(),
    environment,
    progress,
    signal,
    rebuild: flags.build ?? false,
  };
  const image = await runnableMeant(meant, options);
  const own = ownOptions(meant, given, flags);
  const { pod } = own;
  if (pod === undefined) return start(image, own);
  const services = await startServices(meant.project, { ...options, pod });
  try {
    const status = await start(image, flags.detach ? await inPlace(own, context) : own);
    if (!flags.detach) await services.stop();
    return status;
  } catch (error) {
    await services.stop();
    throw error;
  }
}

/** Where there are services, the image joins their pod, under a name that tells what it is. */
function ownOptions(
  { project, image }: Extract<MeantImage, { kind: "project" }>,
  given: RunOptions,
  flags: RunFlags,
): RunOptions {
  const services = Object.keys(project.recipe.services ?? {});
  if (services.length === 0 && given.pod === undefined) return given;
  if (given.network !== undefined && given.network !== "default") {
    throw new WhittleError(
      "USAGE",
      `Cannot use the network "${given.network}": ${project.name} shares one with its services`,
    );
  }
  const pod = given.pod ?? project.name;
  return {
    ...given,
    pod,
    aliases: [image, ...(given.aliases ?? [])],
    ...(given.name === undefined && flags.detach ? { name: serviceContainer(pod, image) } : {}),
  };
}

/** A container of that name which has ended makes place for this one. */
async function inPlace(options: RunOptions, { environment }: VerbContext): Promise<RunOptions> {
  const ended = (await listContainers(environment)).find(
    ({ name, status }) => name === options.name && status === "exited",
  );
  return ended === undefined ? options : takePlace(ended, options, environment);
}
