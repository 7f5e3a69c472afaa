import type { Environment, SourceLocation, WhittleError } from "../../io/index.ts";
import type { BuildStep, BuildStepResult, SshAgent } from "../../sandbox/index.ts";
import type { Tree } from "../../tree/index.ts";

/** Something that is shown to a command while it runs; `target` is absolute. */
export type RunMount =
  | {
      readonly type: "bind";
      readonly target: string;
      /** The input whose tree it shows a part of. */
      readonly input: string;
      readonly source: string;
      readonly readOnly: boolean;
    }
  | {
      readonly type: "cache";
      readonly target: string;
      readonly id: string;
      /** The input whose tree is in it at first, and the part of it that is shown; by default it is empty. */
      readonly input?: string;
      readonly source?: string;
      readonly sharing: "shared" | "private" | "locked";
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      readonly readOnly: boolean;
    }
  | { readonly type: "tmpfs"; readonly target: string; readonly size?: number }
  | {
      readonly type: "secret";
      readonly target?: string;
      readonly env?: string;
      readonly id: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | {
      readonly type: "ssh";
      /** Where the agent's socket is. */
      readonly target: string;
      readonly id: string;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

/** What a running step is told. */
export type RunParameters = Omit<BuildStep, "mounts" | "secrets"> & { readonly mounts: readonly RunMount[] };

/** A command that failed, before what it left is thrown away. */
export interface FailedRun {
  readonly error: WhittleError;
  /** The files that it left, over those that were there. */
  readonly tree: Tree;
  /** Runs another program there; see `BuildStepResult`. */
  readonly look: NonNullable<BuildStepResult["look"]>;
}

/** Paths in a Dockerfile's own words. */
export interface WrittenPaths {
  readonly cwd: string;
  readonly targets: ReadonlyMap<RunMount, string>;
}

/** What a running step needs that must not change its key. */
export interface RunLocal {
  readonly environment: Environment;
  readonly cacheDirectory: string;
  /** `NAME=value` of proxies and their like. */
  readonly extraEnv: readonly string[];
  /** The bytes of a secret, or undefined when nobody gave it. */
  readonly secret: (id: string) => Promise<Uint8Array | undefined>;
  /** The ssh agent of a name, or undefined when nobody gave it. */
  readonly agent?: (id: string) => Promise<SshAgent | undefined>;
  /** The paths that a Dockerfile writes in another way than the step has them, with a slash behind for one. */
  readonly written?: WrittenPaths;
  /** Where the instruction stands, for errors. */
  readonly at?: SourceLocation;
  /** Is told when the command failed, while what it left is still there. */
  readonly failed?: (step: FailedRun) => Promise<void>;
  /** The instruction as it is shown when it fails. */
  readonly shown: string;
}
