import type { FailedRun, LayerListener, ResourceLimit, Solver } from "../build/index.ts";
import type { Entitlement, ImageForm, PlanWarning } from "../dockerfile/index.ts";
import type { Environment, Work } from "../io/index.ts";
import type { Store } from "../store/index.ts";
import type { AgentSource } from "./agents.ts";
import type { BuildCaches } from "./build-caches.ts";
import type { FindContext } from "./contexts.ts";
import type { DockerfileLock } from "./dockerfile-lock.ts";
import type { ImportedCache } from "./outcomes.ts";

/** How a Dockerfile is to be built; what is left out is as `docker buildx build` has it. */
export interface DockerfileOptions extends Work, BuildCaches {
  readonly store: Store;
  readonly environment: Environment;
  /**
   * What COPY reads: the absolute path of a directory, the address of a tar, of a Dockerfile (http, https) or of a
   * git repository, or `-` for a tar or a Dockerfile in {@link input}.
   */
  readonly context: string;
  /**
   * The Dockerfile: an absolute path, `-` for {@link input}, an address, or a path inside a context that is no
   * directory of this machine. Without one, `Dockerfile` in the context.
   */
  readonly file?: string;
  /** What `-` stands for; read once. */
  readonly input?: () => AsyncIterable<Uint8Array>;
  /** What the built image is called in reports. */
  readonly name: string;
  readonly target?: string;
  readonly buildArguments?: ReadonlyMap<string, string>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly platforms?: readonly string[];
  /**
   * What stands in place of a stage or image of a name (`NAME`, or `NAME::PLATFORM` for one platform): a directory,
   * `docker-image://NAME`, `docker-image://scratch`, `oci-layout://DIRECTORY[:TAG|@DIGEST]`, or an address as for
   * {@link context}.
   */
  readonly contexts?: ReadonlyMap<string, string>;
  /** The same for names that {@link contexts} does not have. */
  readonly find?: FindContext;
  /** What the images that {@link find} answers with are built with: their steps are in exported caches as well. */
  readonly contextSolver?: Solver;
  /** Caches of earlier builds that are open already; nobody opens `cacheFrom` then. */
  readonly imported?: readonly ImportedCache[];
  /** What relative paths in {@link contexts} start from (default: the process's directory). */
  readonly directory?: string;
  readonly secrets?: ReadonlyMap<string, () => Promise<Uint8Array | undefined>>;
  /** ssh agents by the names that steps ask for them with; git over ssh uses that called `default`. */
  readonly agents?: ReadonlyMap<string, AgentSource>;
  readonly network?: "default" | "none" | "host";
  readonly extraHosts?: readonly (readonly [string, string])[];
  /** What RUN may ask for beyond the usual. */
  readonly allow?: readonly Entitlement[];
  /** Bytes that /dev/shm takes in RUN. */
  readonly shmSize?: number;
  /** How many processes a RUN may have at a time (default: 8192). */
  readonly pidsLimit?: number;
  /** Limits of RUN. */
  readonly limits?: readonly ResourceLimit[];
  /** Is told of a RUN that failed while what it left is still there. */
  readonly failed?: (step: FailedRun) => Promise<void>;
  /** Ask registries for bases that the store has. */
  readonly pull?: boolean;
  readonly noCache?: boolean;
  /** Stages whose steps are run again, by name or number. */
  readonly noCacheFilter?: readonly string[];
  /** Hears of layers while they are written. */
  readonly layers?: LayerListener;
  /** How the image is written (default: gzip, OCI media types). */
  readonly form?: ImageForm;
  /** What an earlier build recorded: the same bases and files are taken, or the build fails. */
  readonly locked?: DockerfileLock;
  /** Told what a finished build took from outside of its context. */
  readonly record?: (lock: DockerfileLock) => Promise<void>;
  /** Told once of each thing that is allowed and probably not meant (default: a warning event). */
  readonly warn?: (warning: PlanWarning) => void;
}
