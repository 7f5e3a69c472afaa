import { join } from "node:path";
import type { Archive, ArchiveOptions, PackageRecord, Resolution } from "../../debian/index.ts";
import { type Digest, digestOfJson } from "../../io/index.ts";
import { type Executor, inputOf } from "../executor.ts";
import type { Json, Step } from "../graph.ts";

/** What decides which archive is meant; goes into keys. */
export type ArchiveParameters = {
  readonly suite: string;
  readonly components?: readonly string[];
  readonly mirror?: string;
  readonly securityMirror?: string;
  readonly snapshot?: string;
  readonly updates?: boolean;
  readonly security?: boolean;
  readonly acceptExpired?: boolean;
};

/** What the machine adds; does not go into keys. */
export type ArchiveLocal = Pick<
  ArchiveOptions,
  "architectures" | "cacheDirectory" | "refresh" | "environment" | "keyrings"
>;

/** A step that stands for the present state of an archive: one suite with its updates. */
export function archiveStep(parameters: ArchiveParameters, local: ArchiveLocal): Step {
  return { kind: "debian-archive", parameters, inputs: {}, local };
}

/** The options that a step of this kind stands for. */
export function archiveOptions(step: Step): ArchiveOptions {
  return { ...(step.parameters as ArchiveParameters), ...(step.local as ArchiveLocal) } as ArchiveOptions;
}

/**
 * Its digest is that of the signed release files. A state that was checked a short time ago is taken without
 * asking the network; the archive itself is opened only when somebody wants packages.
 */
export const archiveExecutor: Executor = {
  kind: "debian-archive",
  version: 1,
  cached: false,
  async run(step, _inputs, context) {
    const { archiveState, openArchive } = await import("../../debian/index.ts");
    const options = archiveOptions(step);
    const known = options.refresh === true ? undefined : await archiveState(options);
    if (known !== undefined) return { digest: known, record: null };
    const archive = await openArchive(options, context);
    return { digest: archive.digest, record: null, value: archive };
  },
  async load(step, _outcome, _inputs, context) {
    const { openArchive } = await import("../../debian/index.ts");
    return openArchive(archiveOptions(step), context);
  },
};

/** What a resolving step is asked for. */
export type ResolveParameters = {
  readonly architecture: string;
  readonly packages: readonly string[];
  readonly recommends: boolean;
};

/** A step that chooses the packages which satisfy a request. */
export function resolveStep(archive: Step, parameters: ResolveParameters, platform: string): Step {
  return {
    kind: "debian-resolve",
    label: `choose packages for ${parameters.packages.join(", ")}`,
    platform,
    parameters,
    inputs: { archive },
  };
}

/** Its record is a `Resolution`. */
export const resolveExecutor: Executor = {
  kind: "debian-resolve",
  version: 2,
  cached: true,
  async run(step, inputs) {
    const { openIndex, resolve } = await import("../../debian/index.ts");
    const request = step.parameters as ResolveParameters;
    const options = archiveOptions(inputOf(inputs, "archive").step);
    const archive = await inputOf(inputs, "archive").value<Archive>();
    const files = await archive.indexes(request.architecture);
    const indexes = await Promise.all(
      files.map((file) => openIndex(file, join(options.cacheDirectory, "debian", "compiled"))),
    );
    let resolution: Resolution;
    try {
      const found = resolve(indexes, { ...request, packages: [...request.packages] });
      resolution = { architecture: found.architecture, packages: found.packages.map(chosenRecord) };
    } finally {
      for (const index of indexes) index.close();
    }
    return {
      digest: resolutionDigest(resolution),
      record: resolution as unknown as Json,
      value: resolution,
    };
  },
};

/** What is kept of a package: how to fetch and name it, and none of the relations that chose it. */
export function chosenRecord(one: PackageRecord): PackageRecord {
  const { name, version, architecture, source, filename, size, sha256, installedSize, mirror, suite } = one;
  const record = { name, version, architecture, filename, size, sha256, installedSize, mirror, suite };
  return source === undefined ? record : { ...record, source };
}

/** A step that takes the packages which a lock file records. */
export function lockedStep(resolution: Resolution, platform: string): Step {
  return { kind: "debian-locked", platform, parameters: resolution as unknown as Json, inputs: {} };
}

export const lockedExecutor: Executor = {
  kind: "debian-locked",
  version: 1,
  cached: false,
  run: async (step) => {
    const resolution = step.parameters as unknown as Resolution;
    return { digest: resolutionDigest(resolution), record: step.parameters, value: resolution };
  },
};

/** Equal choices are equal wherever they come from: a mirror is no part of a package. */
export function resolutionDigest(resolution: Resolution): Digest {
  return digestOfJson(
    resolution.packages.map(({ name, version, architecture, sha256 }) => [
      name,
      version,
      architecture,
      sha256,
    ]),
  );
}
