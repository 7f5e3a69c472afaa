import type { ContainerConfig, Healthcheck } from "../image/index.ts";
import { parseDuration } from "./duration.ts";
import type { ConfigRecipe, HealthcheckRecipe, ImageRecipe } from "./types.ts";
import { fillVariables, type Variables } from "./variables.ts";

/**
 * The container configuration that a recipe asks for. A user of the recipe's own is written as numbers, so that
 * a cluster can see that it is not root without reading the image's files.
 */
export function containerConfig(recipe: ImageRecipe, variables: Variables): ContainerConfig {
  const config: ConfigRecipe = recipe.config ?? {};
  const { entrypoint, command, workdir, environment, ports, volumes, stopSignal, healthcheck } = config;
  const labels = fillVariables(config.labels ?? {}, variables);
  return {
    ...(config.user === undefined ? {} : { User: userOf(recipe, String(config.user)) }),
    ...(ports === undefined ? {} : { ExposedPorts: emptyMembers(ports.map(portOf)) }),
    ...(environment === undefined
      ? {}
      : { Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`) }),
    ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
    ...(command === undefined ? {} : { Cmd: command }),
    ...(volumes === undefined ? {} : { Volumes: emptyMembers(volumes) }),
    ...(workdir === undefined ? {} : { WorkingDir: workdir }),
    ...(Object.keys(labels).length === 0 ? {} : { Labels: labels }),
    ...(stopSignal === undefined ? {} : { StopSignal: stopSignal }),
    ...(healthcheck === undefined ? {} : { Healthcheck: healthcheckOf(healthcheck) }),
  };
}

function userOf(recipe: ImageRecipe, user: string): string {
  const [name, group] = user.split(":");
  const account = recipe.users?.find((candidate) => candidate.name === name);
  if (account === undefined) return user;
  return `${account.uid}:${group ?? account.gid ?? account.uid}`;
}

function portOf(port: string | number): string {
  const text = String(port);
  return text.includes("/") ? text : `${text}/tcp`;
}

function emptyMembers(names: readonly string[]): Record<string, Record<string, never>> {
  return Object.fromEntries([...names].sort().map((name) => [name, {}]));
}

/** A health check as an image's configuration writes it. */
export function healthcheckOf(recipe: HealthcheckRecipe): Healthcheck {
  const { test, interval, timeout, startPeriod, startInterval, retries } = recipe;
  return {
    Test: typeof test === "string" ? ["CMD-SHELL", test] : test,
    ...(interval === undefined ? {} : { Interval: parseDuration(interval) }),
    ...(timeout === undefined ? {} : { Timeout: parseDuration(timeout) }),
    ...(startPeriod === undefined ? {} : { StartPeriod: parseDuration(startPeriod) }),
    ...(startInterval === undefined ? {} : { StartInterval: parseDuration(startInterval) }),
    ...(retries === undefined ? {} : { Retries: retries }),
  };
}
