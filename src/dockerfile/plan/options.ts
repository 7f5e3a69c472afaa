import type { BaseLayer, Compression, Step } from "../../build/index.ts";
import type { ImageConfig, Platform } from "../../image/index.ts";
import type { Environment } from "../../io/index.ts";

/** An image that a stage starts from, or that files are copied from. */
export interface BaseImage {
  /** Comes to its file tree. */
  readonly step: Step;
  readonly config: ImageConfig;
  /** From the lowest up. */
  readonly layers: readonly BaseLayer[];
}

/** What a build was asked for beside its Dockerfile. */
export interface PlanOptions {
  /** Name or number of the stage to build; by default the last one. */
  readonly target?: string;
  readonly buildArguments: ReadonlyMap<string, string>;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform: Platform;
  readonly buildPlatform: Platform;
  /** The directory that COPY and ADD read when they name nothing else. */
  readonly context: Step;
  /** Whether a path of the context was left out of it. */
  readonly hidden?: (path: string) => boolean;
  /** Named contexts that are directories. */
  readonly contexts: ReadonlyMap<string, Step>;
  /** Finds an image by the name that FROM, `--from` or a named context gives it. */
  readonly base: (name: string, platform: Platform) => Promise<BaseImage>;
  /** Names of images instead of those in the Dockerfile. */
  readonly imageContexts: ReadonlyMap<string, string>;
  readonly network: "default" | "none" | "host";
  readonly extraHosts: readonly (readonly [string, string])[];
  readonly allowInsecure: boolean;
  readonly compression: Compression;
  /** Seconds since the epoch for what the build itself makes. */
  readonly epoch?: number;
  readonly environment: Environment;
  readonly cacheDirectory: string;
  readonly secret: (id: string) => Promise<Uint8Array | undefined>;
}

/** One platform's image as a graph. */
export interface PlannedDockerfile {
  readonly platform: Platform;
  readonly image: Step;
}
