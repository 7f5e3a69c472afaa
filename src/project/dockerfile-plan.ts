import type { Solver } from "../build/index.ts";
import {
  type Asked,
  type BaseImage,
  type Dockerfile,
  entitlements,
  type ImageForm,
  type NamedContext,
  type PlannedDockerfile,
  type PlanWarning,
  planDockerfile,
  readDockerfile,
  Violations,
} from "../dockerfile/index.ts";
import {
  type Descriptor,
  formatPlatform,
  hostPlatform,
  type Platform,
  parsePlatform,
} from "../image/index.ts";
import { cacheDirectory, located } from "../io/index.ts";
import { agentsOf } from "./agents.ts";
import { missingBase, openBase, unknownBase, unlessForOthers } from "./base-image.ts";
import { BaseLedger } from "./dockerfile-lock.ts";
import type { DockerfileOptions } from "./dockerfile-options.ts";
import { sourceDateEpoch, withEpochArgument } from "./epoch.ts";
import { type MainContext, openMainContext } from "./main-context.ts";
import { NamedContexts } from "./named-contexts.ts";
import { solverFor } from "./solver.ts";

/** A Dockerfile's graphs, one a platform, and what they are solved with. */
export interface PlannedBuild {
  readonly solver: Solver;
  readonly platforms: readonly PlannedDockerfile[];
  /** Which bases were taken. */
  readonly ledger: BaseLedger;
}

/** What a plan is for: only what is built needs its bases, and a check looks at all stages. */
export type PlanPurpose = "build" | "check" | "outline";

/**
 * Finds the context, reads the Dockerfile and makes its graph; nothing is built.
 *
 * @throws WhittleError `DOCKERFILE_INVALID`, `NOT_FOUND` for a base image or context that is not there
 */
export async function planBuild(
  options: DockerfileOptions,
  forms: readonly ImageForm[],
  purpose: PlanPurpose = "build",
  solver: Solver = solverFor(options),
): Promise<PlannedBuild> {
  const cache = cacheDirectory(options.environment);
  const context = await openMainContext(options, solver, cache);
  const dockerfile = readDockerfile(context.dockerfile.text, context.dockerfile.name);
  const violations = new Violations(dockerfile, options.buildArguments ?? new Map(), tellOnce(options));
  const warn = (warning: PlanWarning): void => violations.add(warning);
  for (const warning of dockerfile.warnings) warn(warning);
  if ("error" in dockerfile) throw dockerfile.error;
  const names = options.platforms ?? [formatPlatform(hostPlatform())];
  const ledger = new BaseLedger(options.locked);
  const planner = new PlatformPlanner({
    ledger,
    dockerfile,
    context,
    options,
    forms,
    purpose,
    cache,
    warn,
    several: names.length > 1,
  });
  const platforms = await Promise.all(names.map((name) => planner.plan(parsePlatform(name))));
  if (purpose === "build") violations.requireNone();
  return { solver, ledger, platforms };
}

interface Planning {
  readonly ledger: BaseLedger;
  readonly dockerfile: Dockerfile;
  readonly context: MainContext;
  readonly options: DockerfileOptions;
  readonly forms: readonly ImageForm[];
  readonly purpose: PlanPurpose;
  readonly cache: string;
  readonly warn: (warning: PlanWarning) => void;
  /** Whether there are several platforms. */
  readonly several: boolean;
}

/** Plans one Dockerfile for several platforms. */
class PlatformPlanner {
  readonly #planning: Planning;
  readonly #named: NamedContexts;

  constructor(planning: Planning) {
    this.#planning = planning;
    this.#named = new NamedContexts(planning.options, planning.cache);
  }

  plan(platform: Platform): Promise<PlannedDockerfile> {
    const { dockerfile, context, options, forms, purpose, cache, warn, several } = this.#planning;
    const { step, hidden, leftOut } = context;
    const buildArguments = withEpochArgument(options.buildArguments ?? new Map(), options.environment);
    const epoch = sourceDateEpoch(Object.fromEntries(buildArguments));
    return planDockerfile(dockerfile, {
      ...(options.target === undefined ? {} : { target: options.target }),
      buildArguments,
      labels: options.labels ?? {},
      platform,
      showPlatform: several,
      buildPlatform: hostPlatform(),
      context: step,
      ...(hidden === undefined ? {} : { hidden }),
      ...(leftOut === undefined ? {} : { leftOut }),
      // Without a target all stages are checked, as docker does.
      everyStage: purpose === "check" && !options.target,
      named: (name, wanted) => this.#stand(name, wanted),
      base: (name, wanted, asked) => this.#base(name, wanted, asked),
      ...(options.noCacheFilter === undefined ? {} : { fresh: options.noCacheFilter }),
      warn,
      network: options.network ?? "default",
      extraHosts: options.extraHosts ?? [],
      // What commands may do is asked when they run.
      allowed: new Set(purpose === "build" ? options.allow : entitlements),
      ...(options.shmSize === undefined ? {} : { shmSize: options.shmSize }),
      ...(options.pidsLimit === undefined ? {} : { pidsLimit: options.pidsLimit }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      ...(options.failed === undefined ? {} : { failed: options.failed }),
      forms,
      ...(epoch === undefined ? {} : { epoch }),
      environment: options.environment,
      cacheDirectory: cache,
      secret: async (id) => options.secrets?.get(id)?.(),
      agent: agentsOf(options.agents),
    });
  }

  /** What was given on the command line goes before what a project says, which is built only when it is wanted. */
  async #stand(name: string, platform: Platform): Promise<NamedContext | undefined> {
    const { purpose, options, ledger } = this.#planning;
    const given = await this.#named.find(name, platform);
    if (given !== undefined || purpose !== "build") return given;
    const found = await options.find?.(name, platform);
    if (found?.kind === "image") ledger.hold(name, platform, found.image.digest);
    return found;
  }

  async #base(name: string, platform: Platform, asked: Asked): Promise<BaseImage> {
    try {
      const base = await this.#foundBase(name, platform, asked);
      this.#planning.ledger.note(name, platform, base.digest);
      return base;
    } catch (error) {
      throw located(error, asked.at);
    }
  }

  async #foundBase(name: string, platform: Platform, asked: Asked): Promise<BaseImage> {
    const { purpose, cache, options, ledger } = this.#planning;
    const { store, pull = false } = options;
    const wanted = ledger.wanted(name, platform);
    const open = (descriptor: Descriptor) => openBase(store, descriptor, platform, cache, name);
    const known = pull ? undefined : await store.resolve(wanted);
    const base = known === undefined ? undefined : await open(known).catch(unlessForOthers);
    if (base !== undefined) return base;
    if (purpose !== "build") return unknownBase(platform);
    return open(await this.#remote(wanted, platform, asked));
  }

  /** A base that the store lacks comes from its registry. */
  async #remote(name: string, platform: Platform, asked: Asked): Promise<Descriptor> {
    const { options } = this.#planning;
    const { pullBase } = await import("./remote-base.ts");
    try {
      return await pullBase(name, platform, options);
    } catch (error) {
      throw await missingBase(name, platform, asked, options.store, error);
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
    else {
      const text = `${at.file}:${at.line}: ${rule}: ${message}`;
      options.progress({ kind: "warning", text, advice: true });
    }
  };
}
