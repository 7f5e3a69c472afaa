import type { NetworkHold } from "./network.ts";
import type { DriverName } from "./options.ts";
import type { Privilege } from "./privilege.ts";
import type { SpecNamespace, SpecProcess } from "./runtime-spec.ts";

/** A container as a driver sees it: a directory with `config.json` and what is needed to make the root. */
export interface Bundle {
  readonly id: string;
  /**
   * Absolute. Holds `config.json`, `lower` (a link to the read-only file tree), and empty directories `root`,
   * `upper`, `work`, `runtime`. The driver writes `pid` (of the first process, as the machine counts) and
   * `runtime.log` there.
   */
  readonly directory: string;
  readonly privilege: Privilege;
  /** The uid and gid of the program; one that has only a single id needs to know. */
  readonly uid: number;
  readonly gid: number;
  readonly namespaces: readonly SpecNamespace[];
  /** The network that is entered before anything else is made, with the user namespace it belongs to. */
  readonly network?: NetworkHold;
}

/** A program with its arguments. */
export type CommandLine = readonly string[];

/**
 * A way to run containers. Each command line runs in the foreground, inherits standard streams, and ends with
 * the program's exit status; all mounts are made in namespaces that vanish with the last process.
 */
export interface Driver {
  readonly name: DriverName;
  /** What this way cannot do that the others can; words for a person. */
  readonly lacks: readonly string[];
  /** A mount that is hidden from the program that runs the containers; empty for none. */
  readonly hides: string;
  /** Runs a container whose root is laid at `root` already, in the namespaces in which that is seen. */
  inside(bundle: Bundle): CommandLine;
  /** Starts the container and waits for its end. */
  run(bundle: Bundle): CommandLine;
  /** Runs one more process in a running container. */
  exec(bundle: Bundle, join: Joining): CommandLine;
}

/** What it takes to add a process to a container. */
export interface Joining {
  /** The container's first process, as the machine counts. */
  readonly pid: number;
  readonly process: SpecProcess;
  /** A file with that. */
  readonly processFile: string;
  /** Where the driver says, as an OCI runtime's log does, why the process could not be started. */
  readonly log: string;
}
