import { join } from "node:path";
import type {
  Archive,
  BootstrapResolution,
  IndexFile,
  PackageIndex,
  PackageRecord,
  Resolution,
} from "../../debian/index.ts";
import { type Digest, digestOfJson } from "../../io/index.ts";
import { type Executor, type Input, inputOf } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import { settle } from "../settle.ts";
import { archiveOptions } from "./archive.ts";

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
    const { resolve } = await import("../../debian/index.ts");
    const request = step.parameters as ResolveParameters;
    const resolution = await answered<Resolution>(resolveExecutor, request, inputs, (indexes) => {
      const { architecture, packages } = resolve(indexes, { ...request, packages: [...request.packages] });
      return { architecture, packages: packages.map(chosenRecord) };
    });
    return {
      digest: resolutionDigest(resolution),
      record: resolution as unknown as Json,
      value: resolution,
    };
  },
};

/** A step that chooses the packages of a full system; its record is a `BootstrapResolution`. */
export function bootstrapResolveStep(archive: Step, parameters: ResolveParameters, platform: string): Step {
  const { packages } = parameters;
  return {
    kind: "bootstrap-resolve",
    label: `choose packages for a full system${packages.length === 0 ? "" : ` with ${packages.join(", ")}`}`,
    platform,
    parameters,
    inputs: { archive },
  };
}

export const bootstrapResolveExecutor: Executor = {
  kind: "bootstrap-resolve",
  version: 1,
  cached: true,
  async run(step, inputs) {
    const { resolveBootstrap } = await import("../../debian/index.ts");
    const request = step.parameters as ResolveParameters;
    const resolution = await answered<BootstrapResolution>(
      bootstrapResolveExecutor,
      request,
      inputs,
      (indexes) => {
        const found = resolveBootstrap(indexes, request);
        return { ...found, packages: found.packages.map(chosenRecord) };
      },
    );
    const { base, manual } = resolution;
    return {
      digest: digestOfJson([resolutionDigest(resolution), base, manual]),
      record: resolution as unknown as Json,
      value: resolution,
    };
  },
};

/**
 * What a request comes to in the archive's package indexes of its architecture. The same request in the same indexes
 * comes to the same for every store, so the answer is remembered beside them.
 *
 * @param answer - makes an answer that JSON can hold
 */
async function answered<T>(
  { kind, version }: Executor,
  request: ResolveParameters,
  inputs: Readonly<Record<string, Input>>,
  answer: (indexes: readonly PackageIndex[]) => T,
): Promise<T> {
  const { derived } = await import("../../debian/index.ts");
  const input = inputOf(inputs, "archive");
  const { cacheDirectory } = archiveOptions(input.step);
  const files = await (await input.value<Archive>()).indexes(request.architecture);
  const memory = derived(cacheDirectory, `${kind}-v${version}`);
  const key = digestOfJson({ request, indexes: files.map(({ path: _, ...file }) => file) });
  const known = memory.get(key) as T | undefined;
  if (known !== undefined) return known;
  const fresh = await withIndexes(files, cacheDirectory, answer);
  await memory.set(key, fresh);
  return fresh;
}

/** Opens package indexes for as long as something looks into them. */
async function withIndexes<T>(
  files: readonly IndexFile[],
  cacheDirectory: string,
  use: (indexes: readonly PackageIndex[]) => T,
): Promise<T> {
  const { openIndex } = await import("../../debian/index.ts");
  const opening = files.map((file) => openIndex(file, join(cacheDirectory, "debian", "compiled")));
  try {
    return use(await settle(opening));
  } finally {
    for (const opened of await Promise.allSettled(opening)) {
      if (opened.status === "fulfilled") opened.value.close();
    }
  }
}

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
