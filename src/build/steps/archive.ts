import type { ArchiveOptions } from "../../debian/index.ts";
import type { Executor } from "../executor.ts";
import type { Step } from "../graph.ts";

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
