// What a valid `whittle.yaml` holds, without the validator: what the library's face shows of it. That the two agree
// is checked where the schema is.

/** Which archive, and how it is trusted. */
export interface ArchiveRecipe {
  components?: string[] | undefined;
  mirror?: string | undefined;
  securityMirror?: string | undefined;
  snapshot?: string | undefined;
  updates?: boolean | undefined;
  security?: boolean | undefined;
  acceptExpired?: boolean | undefined;
}

/** Where packages come from. */
export interface SuiteRecipe extends ArchiveRecipe {
  /** Suite: bookworm, trixie, forky, … */
  debian: string;
}

/** The same, with other suites for single platforms. */
export interface SourceRecipe extends SuiteRecipe {
  platforms?: Record<string, string | SuiteRecipe> | undefined;
}

/** A full, apt-capable system as a base; packages are configured by their maintainer scripts. */
export interface BootstrapRecipe extends ArchiveRecipe {
  /** Suite: bookworm, trixie, forky, … */
  bootstrap: string;
}

export interface FileRecipe {
  from?: string | undefined;
  content?: string | undefined;
  directory?: true | undefined;
  link?: string | undefined;
  to: string;
  mode?: string | number | undefined;
  owner?: string | number | undefined;
  group?: string | number | undefined;
}

export interface UserRecipe {
  name: string;
  uid: number;
  gid?: number | undefined;
  group?: string | undefined;
  home?: string | undefined;
  shell?: string | undefined;
}

/** Durations are texts like "1m30s". */
export interface HealthcheckRecipe {
  test: string | string[];
  interval?: string | undefined;
  timeout?: string | undefined;
  startPeriod?: string | undefined;
  startInterval?: string | undefined;
  retries?: number | undefined;
}

export interface ConfigRecipe {
  entrypoint?: string[] | undefined;
  command?: string[] | undefined;
  user?: string | number | undefined;
  workdir?: string | undefined;
  environment?: Record<string, string> | undefined;
  ports?: (string | number)[] | undefined;
  volumes?: string[] | undefined;
  labels?: Record<string, string> | undefined;
  stopSignal?: string | undefined;
  healthcheck?: HealthcheckRecipe | undefined;
}

export interface HttpProbeRecipe {
  http: string;
  method?: string | undefined;
  status?: number | undefined;
  json?: boolean | undefined;
  contains?: string | undefined;
  header?: Record<string, string> | undefined;
  port?: number | undefined;
}

/** A probe as it is written: `http:/path`, or the longer forms. */
export type ProbeRecipe = string | HttpProbeRecipe | { tcp: number } | { exec: string | string[] };

/** What a name in a Dockerfile stands for. */
export type ContextRecipe =
  /** An image of a project's directory (`../bases/python`, `../bases/python#dev`), of this project, or of the store. */
  { image: string } | { project: string; image?: string | undefined } | { directory: string };

/** One image of a project: of packages and files, or of a Dockerfile. */
export interface ImageRecipe {
  dockerfile?: string | undefined;
  context?: string | undefined;
  target?: string | undefined;
  args?: Record<string, string> | undefined;
  contexts?: Record<string, ContextRecipe> | undefined;
  from?: SourceRecipe | BootstrapRecipe | undefined;
  packages?: string[] | undefined;
  recommends?: boolean | undefined;
  roots?: (string | string[])[] | undefined;
  keep?: string[] | undefined;
  carve?: boolean | undefined;
  run?: string[] | undefined;
  simulate?: string | undefined;
  files?: FileRecipe[] | undefined;
  users?: UserRecipe[] | undefined;
  config?: ConfigRecipe | undefined;
  annotations?: Record<string, string> | undefined;
  platforms?: string[] | undefined;
  probes?: ProbeRecipe[] | undefined;
}

/** A container that has to run beside the images of a project. */
export interface ServiceRecipe {
  /** A directory with a `whittle.yaml` (`../bases/postgres`, with `#NAME`), an image of the project or of the store. */
  image: string;
  command?: string[] | undefined;
  entrypoint?: string[] | undefined;
  env?: Record<string, string> | undefined;
  envFile?: string | string[] | undefined;
  ports?: (string | number)[] | undefined;
  volumes?: string[] | undefined;
  tmpfs?: string[] | undefined;
  user?: string | undefined;
  workdir?: string | undefined;
  healthcheck?: HealthcheckRecipe | undefined;
  dependsOn?: string[] | undefined;
  restart?: string | undefined;
}

/** A `whittle.yaml` as it was written and found valid. */
export interface ProjectRecipe {
  $schema?: string | undefined;
  name?: string | undefined;
  images: Record<string, ImageRecipe>;
  contexts?: Record<string, ContextRecipe> | undefined;
  services?: Record<string, ServiceRecipe> | undefined;
}
