import { setTimeout as delay } from "node:timers/promises";
import type { Healthcheck } from "../image/index.ts";
import { type Environment, WhittleError } from "../io/index.ts";
import { healthcheckOf, type ServiceRecipe } from "../recipe/index.ts";
import {
  type ContainerState,
  containerDirectory,
  environmentLines,
  findContainer,
  listContainers,
  parsePublish,
  parseRestart,
  parseTmpfs,
  parseVolume,
  type RunnableImage,
  type RunOptions,
  readEnvironmentFile,
  readLog,
  removeContainer,
  startDetached,
} from "../sandbox/index.ts";
import { meantImage, type RunBuildOptions, runnableMeant } from "./meant-image.ts";
import type { Project } from "./read.ts";

/** How the services of a project are started. */
export interface ServiceOptions extends RunBuildOptions {
  /** The pod that they run in. */
  readonly pod: string;
  /** Milliseconds that a service may take to become healthy (default two minutes). */
  readonly patience?: number;
}

/** The services of a project, running. */
export interface Services {
  /** Those that were started now, and not before. */
  readonly started: readonly ContainerState[];
  /** Takes down what was started now; named volumes stay. */
  stop(): Promise<void>;
}

/**
 * Starts the services of a project in a pod, each when those that it depends on are healthy, and answers when all of
 * them are. One that runs already is left alone. When one fails, those that were started are taken down.
 *
 * @throws WhittleError `CONTAINER_FAILED` for one that ends or stays unhealthy; `RECIPE_INVALID` for services that
 *   depend on each other in a circle
 */
export async function startServices(project: Project, options: ServiceOptions): Promise<Services> {
  const recipes = project.recipe.services ?? {};
  refuseCircles(project, recipes);
  const started: ContainerState[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(
      started.map((state) =>
        removeContainer(state, options.environment, { force: true, volumes: true }).catch(() => undefined),
      ),
    );
  };
  const running = new Map<string, Promise<void>>();
  const run = (name: string): Promise<void> => {
    const known = running.get(name);
    if (known !== undefined) return known;
    const promise = (async () => {
      const recipe = recipes[name];
      if (recipe === undefined) return;
      await Promise.all((recipe.dependsOn ?? []).map(run));
      options.signal.throwIfAborted();
      await startService(project, name, recipe, options, (state) => started.push(state));
    })();
    running.set(name, promise);
    return promise;
  };
  const results = await Promise.allSettled(Object.keys(recipes).map(run));
  const failed = results.find((result) => result.status === "rejected");
  if (failed === undefined) return { started, stop };
  await stop();
  throw failed.reason;
}

/** The name of the container of a service. */
export function serviceContainer(pod: string, service: string): string {
  return `${pod}-${service}`;
}

async function startService(
  project: Project,
  service: string,
  recipe: ServiceRecipe,
  options: ServiceOptions,
  tell: (state: ContainerState) => void,
): Promise<void> {
  const { environment, pod, patience = defaultPatience } = options;
  const name = serviceContainer(pod, service);
  const before = (await listContainers(environment)).find((state) => state.name === name);
  let state = before;
  if (before === undefined || before.status === "exited") {
    const image = await serviceImage(project, recipe, options);
    const request = await serviceRequest(project, service, recipe, options);
    const again = before === undefined ? request : await takePlace(before, request, environment);
    state = await startDetached(image, { ...again, name }, options, environment);
    tell(state);
  }
  if (state !== undefined) await untilHealthy(state, service, options, performance.now() + patience);
}

/**
 * Removes a container that has ended, for another one in its place, which gets the volumes that were made for it
 * alone.
 */
export async function takePlace(
  before: ContainerState,
  request: RunOptions,
  environment: Environment,
): Promise<RunOptions> {
  await removeContainer(before, environment, { volumes: false });
  const volumes = request.volumes ?? [];
  const taken = [...volumes, ...(request.tmpfs ?? [])].map(({ destination }) => destination);
  const kept = before.mounts
    .filter(({ anonymous, destination }) => anonymous === true && !taken.includes(destination))
    .map(({ source, destination, readOnly }) => ({
      kind: "volume" as const,
      name: source,
      destination,
      readOnly,
    }));
  return { ...request, volumes: [...volumes, ...kept] };
}

const defaultPatience = 120_000;
const second = 1e9;

/** With health checks that come often in the beginning, because somebody waits. */
async function serviceImage(
  project: Project,
  recipe: ServiceRecipe,
  options: ServiceOptions,
): Promise<RunnableImage> {
  const image = await runnableMeant(await meantImage(recipe.image, project.directory, project), options);
  const check: Healthcheck | undefined =
    recipe.healthcheck === undefined ? image.config.Healthcheck : healthcheckOf(recipe.healthcheck);
  if (check === undefined) return image;
  const eager: Healthcheck = {
    ...check,
    StartPeriod: Math.max(check.StartPeriod ?? 0, 60 * second),
    StartInterval: Math.min(check.StartInterval || second, second / 4),
  };
  return { ...image, config: { ...image.config, Healthcheck: eager } };
}

async function serviceRequest(
  project: Project,
  service: string,
  recipe: ServiceRecipe,
  { environment, pod }: ServiceOptions,
): Promise<RunOptions> {
  const { directory } = project;
  const files = [recipe.envFile ?? []].flat();
  const fromFiles = await Promise.all(files.map((file) => readEnvironmentFile(file, directory, environment)));
  const own = Object.entries(recipe.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const { command, entrypoint, user, workdir, restart } = recipe;
  return {
    pod,
    aliases: [service],
    environment: [...fromFiles.flat(), ...environmentLines(own, environment)],
    publish: (recipe.ports ?? []).flatMap((port) => parsePublish(String(port))),
    volumes: (recipe.volumes ?? []).map((volume) => parseVolume(volume, directory)),
    tmpfs: (recipe.tmpfs ?? []).map(parseTmpfs),
    labels: { "whittle.project": project.name, "whittle.service": service },
    ...(command === undefined ? {} : { command }),
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(user === undefined ? {} : { user }),
    ...(workdir === undefined ? {} : { workingDirectory: workdir }),
    ...(restart === undefined ? {} : { restart: parseRestart(restart) }),
  };
}

const pollEvery = 50;
/** What is wrong with its settings ends a program soon. */
const settling = 500;

/** Waits until a service's check succeeds; one without a check has to run for a moment. */
async function untilHealthy(
  { id }: ContainerState,
  service: string,
  { environment, signal }: ServiceOptions,
  deadline: number,
): Promise<void> {
  const settled = performance.now() + settling;
  for (;;) {
    signal.throwIfAborted();
    const state = await findContainer(id, environment);
    const health = state.health?.status;
    const well = health === undefined ? performance.now() > settled : health === "healthy";
    if (state.status === "running" && well) return;
    const over = performance.now() > deadline;
    if (state.status === "exited" || health === "unhealthy" || over) {
      throw await serviceFailure(state, service, over, environment);
    }
    await delay(pollEvery, undefined, { signal });
  }
}

async function serviceFailure(
  state: ContainerState,
  service: string,
  over: boolean,
  environment: Environment,
): Promise<WhittleError> {
  const words: string[] = [];
  for await (const { text } of readLog(containerDirectory(state.id, environment), { tail: 5 })) {
    words.push(text.trimEnd());
  }
  const said = words.length === 0 ? "" : `; its last words: ${words.join(" | ").slice(-1000)}`;
  const found =
    state.status === "exited"
      ? `it ended with status ${state.exitCode ?? "?"}`
      : over
        ? "it did not become healthy in time"
        : `it is unhealthy: ${state.health?.output.trim() ?? ""}`;
  return new WhittleError("CONTAINER_FAILED", `Cannot start the service ${service}: ${found}${said}`);
}

function refuseCircles(project: Project, recipes: Readonly<Record<string, ServiceRecipe>>): void {
  const mistake = (message: string): WhittleError =>
    new WhittleError("RECIPE_INVALID", `Cannot start the services of ${project.file}: ${message}`);
  const done = new Set<string>();
  const visit = (name: string, way: readonly string[]): void => {
    if (way.includes(name)) throw mistake(`${[...way, name].join(" depends on ")}`);
    if (done.has(name)) return;
    const recipe = recipes[name];
    if (recipe === undefined) throw mistake(`${way.at(-1)} depends on ${name}, which is no service`);
    for (const other of recipe.dependsOn ?? []) visit(other, [...way, name]);
    done.add(name);
  };
  for (const name of Object.keys(recipes)) visit(name, []);
}
