import type { SeccompProfile } from "./seccomp.ts";

/** The parts of an OCI runtime-spec 1.x `config.json` that are written here; names are the specification's. */
export interface RuntimeSpec {
  readonly ociVersion: string;
  readonly process: SpecProcess;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname?: string;
  readonly mounts: readonly SpecMount[];
  readonly linux: {
    readonly namespaces: readonly SpecNamespace[];
    readonly cgroupsPath?: string;
    readonly resources?: SpecResources;
    readonly seccomp?: SeccompProfile;
    readonly sysctl?: Readonly<Record<string, string>>;
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
  };
}

/** A process of a container: the one it starts with, or one that joins it later. */
export interface SpecProcess {
  readonly terminal: boolean;
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    readonly additionalGids?: readonly number[];
  };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: {
    readonly bounding: readonly string[];
    readonly effective: readonly string[];
    readonly permitted: readonly string[];
  };
  readonly noNewPrivileges: boolean;
  readonly rlimits?: readonly ResourceLimit[];
}

export interface SpecMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface SpecNamespace {
  readonly type: "pid" | "ipc" | "uts" | "mount" | "network" | "cgroup";
}

export interface SpecResources {
  readonly memory?: { readonly limit: number; readonly swap?: number };
  readonly cpu?: { readonly quota: number; readonly period: number };
  readonly pids?: { readonly limit: number };
  readonly devices?: readonly { readonly allow: boolean; readonly access: string }[];
}

/** A limit of setrlimit(2); `type` is `RLIMIT_NOFILE` and the like. */
export interface ResourceLimit {
  readonly type: string;
  readonly soft: number;
  readonly hard: number;
}
