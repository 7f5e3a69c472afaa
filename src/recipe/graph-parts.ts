import type { ArchiveLocal, ArchiveParameters, Compression, Context, Step } from "../build/index.ts";
import type { Resolution } from "../debian/index.ts";
import type { ContainerConfig, Platform } from "../image/index.ts";
import type { ArchiveRecipe, ImageRecipe } from "./types.ts";
import { fillVariables, type Variables } from "./variables.ts";

/** What the front end needs to know beside the recipe. */
export interface GraphOptions {
  readonly platforms: readonly Platform[];
  readonly context: Context;
  readonly archive: Omit<ArchiveLocal, "architectures">;
  readonly compression: Compression;
  /** Seconds since the epoch (`SOURCE_DATE_EPOCH`); without it the image claims no date. */
  readonly sourceDateEpoch?: number;
  readonly variables: Variables;
  /** The packages that a lock file records for a platform; when given, none are chosen anew. */
  readonly locked?: (platform: string) => Resolution;
  /** From the command line; they win over the recipe's. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The steps that make one platform of an image. */
export interface PlatformGraph {
  readonly platform: Platform;
  readonly image: Step;
  /** Absent when nothing is carved. */
  readonly reasons?: Step;
  /** The choice of packages; absent when the recipe wants none. */
  readonly resolution?: Step;
  readonly simulation?: Step;
}

/** The archive of a suite as a step knows it. */
export function archiveOf(suite: string, rest: ArchiveRecipe): ArchiveParameters {
  return Object.fromEntries(
    Object.entries({ suite, ...rest }).filter(([, value]) => value !== undefined),
  ) as unknown as ArchiveParameters;
}

/** A configuration with labels that win over its own. */
export function withLabels(config: ContainerConfig, labels: GraphOptions["labels"]): ContainerConfig {
  if (labels === undefined || Object.keys(labels).length === 0) return config;
  return { ...config, Labels: { ...config.Labels, ...labels } };
}

/** When an image was made, where somebody said a date. */
export function created(options: GraphOptions): { readonly created?: string } {
  const { sourceDateEpoch } = options;
  if (sourceDateEpoch === undefined) return {};
  return { created: new Date(sourceDateEpoch * 1000).toISOString().replace(".000Z", "Z") };
}

/** The annotations of a manifest: the recipe's, the command line's, and those labels that OCI defines. */
export function annotationsOf(recipe: ImageRecipe, options: GraphOptions): Record<string, string> {
  const labels = { ...fillVariables(recipe.config?.labels ?? {}, options.variables), ...options.labels };
  const defined = Object.entries(labels).filter(([name]) => name.startsWith("org.opencontainers.image."));
  return {
    ...Object.fromEntries(defined),
    ...fillVariables(recipe.annotations ?? {}, options.variables),
    ...options.annotations,
  };
}
