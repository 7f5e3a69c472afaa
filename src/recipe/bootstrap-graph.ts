import {
  archiveStep,
  bootstrapResolveStep,
  bootstrapSteps,
  imageStep,
  layerStep,
  lockedStep,
  type Step,
} from "../build/index.ts";
import { type ContainerConfig, debianArchitecture, formatPlatform, type Platform } from "../image/index.ts";
import { containerConfig } from "./config.ts";
import {
  annotationsOf,
  archiveOf,
  created,
  type GraphOptions,
  type PlatformGraph,
  withLabels,
} from "./graph-parts.ts";
import type { BootstrapRecipe, ImageRecipe } from "./types.ts";

/** What a full system is started with, and where it looks for programs, as Debian's own images have it. */
const usualCommand = ["bash"];
const usualPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Makes the graph of an image that is a full system: a layer with the base that all such systems share, one with the
 * further packages and what the recipe runs, and one with its files.
 */
export function bootstrapGraph(
  recipe: ImageRecipe,
  from: BootstrapRecipe,
  options: GraphOptions,
  files: Step | undefined,
): PlatformGraph[] {
  const { bootstrap: suite, ...rest } = from;
  const architectures = [...new Set(options.platforms.map(debianArchitecture))];
  const archive = archiveStep(archiveOf(suite, rest), { ...options.archive, architectures });
  return options.platforms.map((platform) => platformGraph(recipe, suite, options, platform, archive, files));
}

function platformGraph(
  recipe: ImageRecipe,
  suite: string,
  options: GraphOptions,
  platform: Platform,
  archive: Step,
  files: Step | undefined,
): PlatformGraph {
  const name = formatPlatform(platform);
  const { compression, sourceDateEpoch } = options;
  const packages = recipe.packages ?? [];
  const commands = [...accountCommands(recipe), ...(recipe.run ?? [])];
  const architecture = debianArchitecture(platform);
  const resolution = options.locked
    ? lockedStep(options.locked(name), name)
    : bootstrapResolveStep(archive, { architecture, packages, recommends: recipe.recommends ?? false }, name);
  const more = packages.length > 0 || commands.length > 0;
  const { base, whole } = bootstrapSteps({
    archive,
    resolution,
    more,
    commands,
    ...(sourceDateEpoch === undefined ? {} : { epoch: sourceDateEpoch }),
    platform,
    platformName: name,
    environment: options.archive.environment,
  });
  const layers = [layerStep(base, "the base system", compression, name)];
  const history = [`whittle: bootstrap ${suite}`];
  if (more) {
    layers.push(layerStep(whole, "further packages", compression, name));
    history.push(`whittle: ${[...packages, ...(commands.length === 0 ? [] : ["run"])].join(" ")}`);
  }
  if (files !== undefined) {
    layers.push(layerStep(files, "application files", compression));
    history.push("whittle: files");
  }
  const image = imageStep(
    { layers },
    {
      platform,
      config: withLabels(systemConfig(containerConfig(recipe, options.variables)), options.labels),
      layers: history,
      ...created(options),
      annotations: annotationsOf(recipe, options),
    },
    name,
  );
  return { platform, image, resolution };
}

function systemConfig(config: ContainerConfig): ContainerConfig {
  const env = config.Env ?? [];
  return {
    ...(config.Entrypoint === undefined ? { Cmd: usualCommand } : {}),
    ...config,
    Env: env.some((line) => line.startsWith("PATH=")) ? env : [usualPath, ...env],
  };
}

/** The recipe's users, made by the system's own programs. */
function accountCommands(recipe: ImageRecipe): string[] {
  return (recipe.users ?? []).flatMap(({ name, uid, gid = uid, group = name, home, shell }) => {
    const place =
      home === undefined ? "--home-dir /nonexistent --no-create-home" : `--home-dir ${home} --create-home`;
    return [
      `getent group ${group} >/dev/null || groupadd --gid ${gid} ${group}`,
      `useradd --no-log-init --uid ${uid} --gid ${gid} ${place} --shell ${shell ?? "/usr/sbin/nologin"} ${name}`,
    ];
  });
}
