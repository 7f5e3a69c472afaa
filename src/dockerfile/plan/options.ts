import type { BaseLayer, Compression, FailedRun, ResourceLimit, SshAgent, Step } from "../../build/index.ts";
import type { ImageConfig, Platform } from "../../image/index.ts";
import type { Digest, Environment, SourceLocation } from "../../io/index.ts";
import type { Dockerfile } from "../instruction.ts";
import type { Outline } from "./stage-outline.ts";

/** An image that a stage starts from, or that files are copied from. */
export interface BaseImage {
  /** Comes to its file tree. */
  readonly step: Step;
  /** Of its manifest. */
  readonly digest: Digest;
  readonly config: ImageConfig;
  /** From the lowest up. */
  readonly layers: readonly BaseLayer[];
}

/** What stands for a name: files alone, an image, or nothing at all (`docker-image://scratch`). */
export type NamedContext =
  | { readonly kind: "files"; readonly step: Step }
  | { readonly kind: "image"; readonly image: BaseImage }
  | { readonly kind: "scratch" };

/** Something that is allowed and probably not meant, with its place. */
export type PlanWarning = Dockerfile["warnings"][number];

/** Where a name of an image stands, and what else it could have meant. */
export interface Asked {
  readonly at: SourceLocation;
  /** The stage with nearly that name. */
  readonly near?: string;
}

/** What a person has to allow before RUN gets it; BuildKit's names. */
export const entitlements = ["network.host", "security.insecure"] as const;
export type Entitlement = (typeof entitlements)[number];

/** What a build was asked for beside its Dockerfile. */
export interface PlanOptions {
  /** Name of the stage to build; by default the last one. */
  readonly target?: string;
  readonly buildArguments: ReadonlyMap<string, string>;
  readonly labels: Readonly<Record<string, string>>;
  readonly platform: Platform;
  /** Whether the platform is named where steps are shown: when there are several. */
  readonly showPlatform?: boolean;
  readonly buildPlatform: Platform;
  /** The directory that COPY and ADD read when they name nothing else. */
  readonly context: Step;
  /** The rule that leaves a path out of the context, with its place, as words for a person. */
  readonly hidden?: (path: string) => string | undefined;
  /** Whether a path is left out of the context for sure: no rule could take it back. */
  readonly leftOut?: (path: string) => boolean;
  /** What was given in place of the stage or image of a name; undefined when nothing was. */
  readonly named: (name: string, platform: Platform) => Promise<NamedContext | undefined>;
  /** Finds an image by the name that FROM or `--from` gives it. */
  readonly base: (name: string, platform: Platform, asked: Asked) => Promise<BaseImage>;
  /** Stages that are built again whatever is known of them: all, or those of some names. */
  readonly fresh?: "all" | readonly string[];
  readonly warn?: (warning: PlanWarning) => void;
  /** Plans stages that the target does not need, too, to check them. */
  readonly everyStage?: boolean;
  readonly network: "default" | "none" | "host";
  readonly extraHosts: readonly (readonly [string, string])[];
  /** What RUN may ask for beyond the usual. */
  readonly allowed: ReadonlySet<Entitlement>;
  /** Bytes that /dev/shm takes in RUN. */
  readonly shmSize?: number;
  /** How many processes a RUN may have at a time. */
  readonly pidsLimit?: number;
  /** Limits of RUN. */
  readonly limits?: readonly ResourceLimit[];
  /** Is told of a RUN that failed while what it left is still there. */
  readonly failed?: (step: FailedRun) => Promise<void>;
  /** How the image is written; several forms of one image differ in this alone. */
  readonly forms: readonly ImageForm[];
  /** Seconds since the epoch for what the build itself makes. */
  readonly epoch?: number;
  readonly environment: Environment;
  readonly cacheDirectory: string;
  readonly secret: (id: string) => Promise<Uint8Array | undefined>;
  /** The ssh agent of a name, or undefined when nobody gave it. */
  readonly agent?: (id: string) => Promise<SshAgent | undefined>;
}

/** How an image's files and documents are written. */
export interface ImageForm {
  readonly compression: Compression;
  /** Compress the base's layers anew where they are compressed in another way. */
  readonly force?: boolean;
  /** Docker's media types instead of OCI's. */
  readonly docker?: boolean;
  /** No file is younger than the epoch, if there is one. */
  readonly rewriteTimestamp?: boolean;
  /** Layers of Windows images with `Files` and `Hives` (default: on a base that has layers, as BuildKit does). */
  readonly windowsLayers?: boolean;
  /** Of the manifest of every platform. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Of one platform's manifest. */
  readonly platformAnnotations?: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** Of the index of an image for several platforms. */
  readonly indexAnnotations?: Readonly<Record<string, string>>;
  /** Of the descriptors in that index. */
  readonly descriptorAnnotations?: Readonly<Record<string, string>>;
}

/** One platform's image as a graph. */
export interface PlannedDockerfile {
  readonly platform: Platform;
  /** One for each form that was asked for. */
  readonly images: readonly Step[];
  /** Comes to the file tree of the target. */
  readonly tree: Step;
  /** What can be given to the target. */
  outline(): Promise<Outline>;
}
