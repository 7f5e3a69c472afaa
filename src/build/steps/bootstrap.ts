import type { Archive, BootstrapResolution, DebianPackage, PackageRecord } from "../../debian/index.ts";
import type { Platform } from "../../image/index.ts";
import { cacheDirectory, digestOfJson, type Environment, sha256 } from "../../io/index.ts";
import { changes } from "../../tree/index.ts";
import { changesDigest } from "../changes-digest.ts";
import { type Executor, type ExecutorContext, type Input, inputOf } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import type { RunLocal } from "../run/parameters.ts";
import { settle } from "../settle.ts";
import { treeDigest } from "../tree-digest.ts";
import { archiveOptions } from "./archive.ts";
import type { LayeredValue } from "./layered-value.ts";
import { openPackages } from "./packages.ts";
import { resolutionDigest } from "./resolve.ts";
import { runStep } from "./run.ts";
import { type TreeValue, treeOfInput } from "./tree-value.ts";

/** What is unpacked by a root step: the base that every system has, or what comes on top of it. */
export type BootstrapParameters = {
  readonly part: "base" | "rest";
  /** Command lines to run when all is configured. */
  readonly commands: readonly string[];
  /** Seconds since the epoch: no file is newer. Default: the newest file of the packages. */
  readonly epoch?: number;
};

/** The steps that come to a full system. */
export interface BootstrapSteps {
  /** Come to the system's tree; the second is the first with further packages. */
  readonly base: Step;
  readonly whole: Step;
}

/** What a bootstrap needs beside its packages. */
export interface BootstrapRequest {
  readonly archive: Step;
  /** A step whose record is a `BootstrapResolution`. */
  readonly resolution: Step;
  /** Whether there is something on top of the base. */
  readonly more: boolean;
  readonly commands: readonly string[];
  readonly epoch?: number;
  readonly platform: Platform;
  readonly platformName: string;
  readonly environment: Environment;
}

/**
 * Steps that unpack the packages of a full system and configure them in the sandbox: the base first, so that it is one
 * layer which systems share, and then the rest.
 */
export function bootstrapSteps(request: BootstrapRequest): BootstrapSteps {
  const base = configured(request, "base", undefined);
  return { base, whole: request.more ? configured(request, "rest", base) : base };
}

function configured(request: BootstrapRequest, part: "base" | "rest", lower: Step | undefined): Step {
  const { archive, resolution, platform, platformName, environment } = request;
  const parameters: BootstrapParameters = {
    part,
    commands: part === "base" ? [] : request.commands,
    ...(request.epoch === undefined ? {} : { epoch: request.epoch }),
  };
  const below = lower === undefined ? {} : { lower };
  const root: Step = {
    kind: "bootstrap-root",
    platform: platformName,
    parameters,
    inputs: { archive, resolution, ...below },
  };
  const what = part === "base" ? "the base system" : "further packages";
  const local: RunLocal = {
    environment,
    cacheDirectory: cacheDirectory(environment),
    extraEnv: [],
    secret: async () => undefined,
    shown: `configuring ${what}`,
  };
  const run = runStep(
    root,
    {},
    {
      args: ["/bin/sh", "/.whittle-configure"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      cwd: "/",
      user: "",
      platform,
      network: "none",
      insecure: false,
      mounts: [],
      extraHosts: [],
    },
    local,
    `configure ${what}`,
  );
  return {
    kind: "bootstrap-settle",
    platform: platformName,
    parameters,
    inputs: { run, archive, resolution, ...below },
  };
}

/** The packages that a step is about, and those that are there already. */
function partOf(
  step: Step,
  inputs: Readonly<Record<string, Input>>,
): { readonly added: readonly PackageRecord[]; readonly there: readonly PackageRecord[] } {
  const { part } = step.parameters as BootstrapParameters;
  const { packages, base } = inputOf(inputs, "resolution").record as unknown as BootstrapResolution;
  const isBase = new Set(base);
  const [lowest, rest] = [
    packages.filter(({ name }) => isBase.has(name)),
    packages.filter(({ name }) => !isBase.has(name)),
  ];
  return part === "base" ? { added: lowest, there: [] } : { added: rest, there: lowest };
}

/**
 * Its value is a root with packages that are unpacked and not configured. Its digest is that of the choice, whatever
 * else is new in the archive.
 */
export const bootstrapRootExecutor: Executor = {
  kind: "bootstrap-root",
  version: 1,
  cached: false,
  async run(step, inputs) {
    const { archiveSuites } = await import("../../debian/index.ts");
    const {
      base: _,
      manual,
      ...resolution
    } = inputOf(inputs, "resolution").record as unknown as BootstrapResolution;
    const { added } = partOf(step, inputs);
    const names = new Set(added.map(({ name }) => name));
    const options = archiveOptions(inputOf(inputs, "archive").step);
    return {
      digest: digestOfJson([
        "bootstrap-root 1",
        step.parameters,
        resolutionDigest({ ...resolution, packages: added }),
        manual.filter((name) => names.has(name)),
        inputs["lower"]?.digest ?? null,
        [
          await archiveSuites(options),
          options.components ?? null,
          options.snapshot ?? null,
        ] as unknown as Json,
      ]),
      record: null,
    };
  },
  async load(step, _outcome, inputs, context): Promise<TreeValue> {
    const { archiveSuites, newestTime, packagePath, readControlFiles, unconfiguredRoot } = await import(
      "../../debian/index.ts"
    );
    const { added, there } = await openParts(step, inputs, context);
    const options = archiveOptions(inputOf(inputs, "archive").step);
    const { architecture, manual } = inputOf(inputs, "resolution").record as unknown as BootstrapResolution;
    const packages = await settle(
      added.map(async (one) => ({
        package: one,
        controlFiles: await readControlFiles(
          packagePath(options.cacheDirectory, one.record),
          `the package ${one.name} ${one.version} (${one.architecture})`,
          context.signal,
        ),
      })),
    );
    const lower = inputs["lower"];
    const { epoch, commands } = step.parameters as BootstrapParameters;
    const tree = await unconfiguredRoot(
      {
        packages,
        ...(lower === undefined ? {} : { lower: { tree: await treeOfInput(lower), packages: there } }),
        manual: new Set(manual),
        architecture,
        archive: {
          suites: await archiveSuites(options),
          components: options.components ?? ["main"],
          snapshot: options.snapshot !== undefined,
        },
        commands,
        epoch: epoch ?? newestTime([...there, ...added]),
      },
      context,
    );
    return { tree };
  },
};

async function openParts(
  step: Step,
  inputs: Readonly<Record<string, Input>>,
  context: ExecutorContext,
): Promise<{ readonly added: DebianPackage[]; readonly there: DebianPackage[] }> {
  const input = inputOf(inputs, "archive");
  const { cacheDirectory: cache } = archiveOptions(input.step);
  const archive = await input.value<Archive>();
  const parts = partOf(step, inputs);
  const [added, there] = await settle([
    openPackages(parts.added, archive, cache, context),
    openPackages(parts.there, archive, cache, context),
  ]);
  return { added: added ?? [], there: there ?? [] };
}

/** Its value is the configured system without traces of when it was configured. */
export const bootstrapSettleExecutor: Executor = {
  kind: "bootstrap-settle",
  version: 1,
  cached: true,
  async run(step, inputs, context) {
    const value = await settledValue(step, inputs, context);
    const lower = inputs["lower"];
    const digest =
      lower === undefined
        ? await treeDigest(value.tree)
        : sha256(`${lower.digest} ${await changesDigest((value as LayeredValue).changes, "with times")}`);
    return { digest, record: null, value };
  },
  load: settledAgain,
};

async function settledAgain(
  step: Step,
  _outcome: unknown,
  inputs: Readonly<Record<string, Input>>,
  context: ExecutorContext,
): Promise<TreeValue | LayeredValue> {
  return settledValue(step, inputs, context);
}

async function settledValue(
  step: Step,
  inputs: Readonly<Record<string, Input>>,
  context: ExecutorContext,
): Promise<TreeValue | LayeredValue> {
  const { newestTime, settled } = await import("../../debian/index.ts");
  const { epoch } = step.parameters as BootstrapParameters;
  const { added, there } = await openParts(step, inputs, context);
  const raw = await treeOfInput(inputOf(inputs, "run"));
  const tree = await settled(raw, epoch ?? newestTime([...there, ...added]));
  const lower = inputs["lower"];
  return lower === undefined ? { tree } : { tree, changes: changes(await treeOfInput(lower), tree) };
}
