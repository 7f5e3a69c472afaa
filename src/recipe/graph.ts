import {
  type Account,
  type ArchiveParameters,
  archiveStep,
  carveStep,
  filesStep,
  imageStep,
  type Json,
  layerStep,
  lockedStep,
  overlayStep,
  type PlacedFile,
  packagesStep,
  reasonsStep,
  resolveStep,
  type Step,
  simulateStep,
  surfaceStep,
} from "../build/index.ts";
import { allPlatforms, debianArchitecture, formatPlatform, type Platform } from "../image/index.ts";
import { WhittleError } from "../io/index.ts";
import { bootstrapGraph } from "./bootstrap-graph.ts";
import { containerConfig } from "./config.ts";
import {
  annotationsOf,
  archiveOf,
  created,
  type GraphOptions,
  type PlatformGraph,
  withLabels,
} from "./graph-parts.ts";
import type { ImageRecipe, SuiteRecipe } from "./types.ts";

/** The port and user of a simulation, where the recipe does not say otherwise. */
const simulationDefaults = { port: 8080, uid: 10001 };
const simulationPackages = ["nginx", "busybox", "dumb-init"];
/** The package that lets SIGTERM stop a simulation gracefully, and its program. */
const initPackage = { name: "dumb-init", program: "/usr/bin/dumb-init" };
/** Says which distribution this is, without which scanners cannot read package records; has the licence texts. */
const alwaysAtHand = "base-files";

/**
 * Makes the graph of one image of a recipe.
 *
 * @throws WhittleError `PLATFORM_UNSUPPORTED`, `RECIPE_INVALID`
 */
export function imageGraph(recipe: ImageRecipe, options: GraphOptions): PlatformGraph[] {
  const application = applicationSteps(recipe, options);
  const { from } = recipe;
  if (from !== undefined && "bootstrap" in from) {
    return bootstrapGraph(recipe, from, options, application.tree);
  }
  const archives = archiveSteps(recipe, options);
  return options.platforms.map((platform) =>
    platformGraph(recipe, options, platform, application, archives.get(formatPlatform(platform))),
  );
}

interface Application {
  /** The application's files, and what a simulation makes of its directory. */
  readonly tree?: Step;
  readonly simulation?: Step;
  readonly surface: Step;
}

function applicationSteps(recipe: ImageRecipe, options: GraphOptions): Application {
  const mtime = options.sourceDateEpoch ?? 0;
  const files = (recipe.files ?? []).map((file) => placedFile(recipe, file));
  const trees: Step[] = files.length > 0 ? [filesStep({ files, mtime }, options.context)] : [];
  let simulation: Step | undefined;
  if (recipe.simulate !== undefined) {
    const directory = filesStep(
      { files: [{ from: recipe.simulate, to: "/", uid: 0, gid: 0 }], mtime },
      options.context,
    );
    simulation = simulateStep(directory, {
      ...simulationDefaults,
      ...(hasInit(recipe) ? { init: initPackage.program } : {}),
    });
    trees.unshift(simulation);
  }
  const tree = trees.length > 1 ? overlayStep(trees) : trees[0];
  return {
    ...(tree === undefined ? {} : { tree }),
    ...(simulation === undefined ? {} : { simulation }),
    surface: surfaceStep(tree ?? overlayStep([])),
  };
}

/** Whether a simulation's packages hold dumb-init, whatever version or suite it is wanted from. */
function hasInit({ packages = simulationPackages }: ImageRecipe): boolean {
  return packages.some((wanted) => wanted.split(/[=/:]/)[0] === initPackage.name);
}

function placedFile(recipe: ImageRecipe, file: NonNullable<ImageRecipe["files"]>[number]): PlacedFile {
  const { from, content, directory, link, to, mode } = file;
  const given = [from, content, directory, link].filter((one) => one !== undefined).length;
  if (given !== 1) {
    throw new WhittleError(
      "RECIPE_INVALID",
      `Cannot place ${to}: one of "from", "content", "directory" and "link" is wanted, not ${given}`,
    );
  }
  const owner = accountNumber(recipe, file.owner, "uid") ?? 0;
  return {
    ...(from === undefined ? {} : { from }),
    ...(content === undefined ? {} : { content }),
    ...(directory === undefined ? {} : { directory }),
    ...(link === undefined ? {} : { link }),
    to,
    ...(mode === undefined ? {} : { mode: typeof mode === "number" ? mode.toString(8) : mode }),
    uid: owner,
    gid: accountNumber(recipe, file.group ?? file.owner, "gid") ?? owner,
  };
}

function accountNumber(
  recipe: ImageRecipe,
  name: string | number | undefined,
  which: "uid" | "gid",
): number | undefined {
  if (name === undefined || typeof name === "number") return name;
  if (/^\d+$/.test(name)) return Number(name);
  if (name === "root") return 0;
  const account = recipe.users?.find(
    (user) => user.name === name || (which === "gid" && user.group === name),
  );
  if (account === undefined) {
    throw new WhittleError("RECIPE_INVALID", `Cannot give a file to "${name}": the recipe has no such user`, {
      hint: "add it under users:, or write a number",
    });
  }
  return which === "uid" ? account.uid : (account.gid ?? account.uid);
}

/** One archive step a suite, shared by the platforms that use it. */
function archiveSteps(recipe: ImageRecipe, options: GraphOptions): Map<string, Step> {
  const bySuite = new Map<
    string,
    { parameters: ArchiveParameters; platforms: string[]; architectures: string[] }
  >();
  for (const platform of wantsPackages(recipe) ? options.platforms : []) {
    const name = formatPlatform(platform);
    const parameters = archiveParameters(suiteFor(recipe, name));
    const key = JSON.stringify(parameters);
    const group = bySuite.get(key) ?? { parameters, platforms: [], architectures: [] };
    group.platforms.push(name);
    const architecture = debianArchitecture(platform);
    if (!group.architectures.includes(architecture)) group.architectures.push(architecture);
    bySuite.set(key, group);
  }
  const steps = new Map<string, Step>();
  for (const { parameters, platforms, architectures } of bySuite.values()) {
    const step = archiveStep(parameters, { ...options.archive, architectures });
    for (const platform of platforms) steps.set(platform, step);
  }
  return steps;
}

function wantsPackages(recipe: ImageRecipe): boolean {
  return (recipe.packages?.length ?? 0) > 0 || recipe.simulate !== undefined;
}

function suiteFor(recipe: ImageRecipe, platform: string): SuiteRecipe {
  const { from } = recipe;
  if (from === undefined || "bootstrap" in from) return { debian: "stable" };
  const { platforms, ...suite } = "platforms" in from ? from : { ...from, platforms: undefined };
  const own = platforms?.[platform];
  if (own === undefined) return suite;
  return typeof own === "string" ? { ...suite, debian: own } : own;
}

function archiveParameters(suite: SuiteRecipe): ArchiveParameters {
  const { debian, ...rest } = suite;
  return archiveOf(debian, rest);
}

function platformGraph(
  recipe: ImageRecipe,
  options: GraphOptions,
  platform: Platform,
  application: Application,
  archive: Step | undefined,
): PlatformGraph {
  const name = formatPlatform(platform);
  const { compression } = options;
  const { simulation, tree, surface } = application;
  const layers: Step[] = [];
  const history: string[] = [];
  let resolution: Step | undefined;
  let carved: Step | undefined;
  if (archive !== undefined) {
    const named = recipe.packages ?? simulationPackages;
    const packages =
      recipe.carve === false || named.includes(alwaysAtHand) ? named : [...named, alwaysAtHand];
    resolution = options.locked
      ? lockedStep(options.locked(name), name)
      : resolveStep(
          archive,
          { architecture: debianArchitecture(platform), packages, recommends: recipe.recommends ?? false },
          name,
        );
    const unpacked = packagesStep(
      archive,
      resolution,
      { accounts: accounts(recipe), carved: recipe.carve !== false },
      name,
    );
    carved =
      recipe.carve === false
        ? undefined
        : carveStep(
            { packages: unpacked, surface, ...(simulation === undefined ? {} : { simulation }) },
            {
              roots: rootsOf(recipe),
              keep: recipe.keep ?? [],
              environment: recipe.config?.environment ?? {},
              platform: packagesPlatform(platform) as unknown as Json,
            },
            name,
          );
    layers.push(layerStep(carved ?? unpacked, "packages", compression, name));
    history.push(`whittle: ${named.join(" ")} (${archiveName(suiteFor(recipe, name))})`);
  }
  if (tree !== undefined) {
    layers.push(layerStep(tree, "application files", compression));
    history.push(simulation === undefined ? "whittle: files" : `whittle: simulate ${recipe.simulate}`);
  }
  const image = imageStep(
    { layers, ...(simulation === undefined ? {} : { simulation }) },
    {
      platform,
      config: withLabels(containerConfig(recipe, options.variables), options.labels),
      layers: history,
      ...created(options),
      annotations: annotationsOf(recipe, options),
    },
    name,
  );
  return {
    platform,
    image,
    ...(carved === undefined ? {} : { reasons: reasonsStep(image, carved) }),
    ...(resolution === undefined ? {} : { resolution }),
    ...(simulation === undefined ? {} : { simulation }),
  };
}

/** The first platform with the same packages: `arm/v5` and `arm/v6` share theirs, and so what is carved of them. */
function packagesPlatform(platform: Platform): Platform {
  const architecture = debianArchitecture(platform);
  return allPlatforms.find((one) => debianArchitecture(one) === architecture) ?? platform;
}

function archiveName(suite: SuiteRecipe): string {
  return `debian ${suite.debian}${suite.snapshot === undefined ? "" : ` as of ${suite.snapshot}`}`;
}

function rootsOf(recipe: ImageRecipe): Json[] {
  const roots: Json[] = (recipe.roots ?? []).map((root) =>
    typeof root === "string" ? rootOf(root) : { command: root },
  );
  for (const path of recipe.users === undefined ? [] : ["/etc/passwd", "/etc/group"]) {
    roots.push({ path, by: "user" });
  }
  const entrypoint = recipe.config?.entrypoint ?? recipe.config?.command;
  if (entrypoint !== undefined && entrypoint.length > 0) roots.push({ command: entrypoint });
  // A health check whose program was left out would find every container ill.
  const check = recipe.config?.healthcheck?.test;
  if (Array.isArray(check) && check[0] === "CMD" && check.length > 1) roots.push({ command: check.slice(1) });
  return roots;
}

function rootOf(root: string): Json {
  const words = root.trim().split(/\s+/);
  return words.length === 1 && root.startsWith("/") ? { path: root } : { command: words };
}

function accounts(recipe: ImageRecipe): Account[] {
  return (recipe.users ?? []).map((user) => ({
    name: user.name,
    uid: user.uid,
    gid: user.gid ?? user.uid,
    group: user.group ?? user.name,
    home: user.home ?? "/nonexistent",
    shell: user.shell ?? "/usr/sbin/nologin",
  }));
}
