import type { ContainerConfig, Platform } from "../image/index.ts";
import type { LogLimits } from "./log.ts";
import type { PublishedPort } from "./ports.ts";
import type { RestartPolicy } from "./restart.ts";
import type { Tmpfs, Volume } from "./volumes.ts";

/** The ways to run a container, best first. */
export const driverNames = ["runc", "crun", "plain"] as const;

export type DriverName = (typeof driverNames)[number];

/**
 * Which network a container sees: one of its own or its pod's, with a way out where a program for that is
 * installed; one with nothing but loopback; or the machine's.
 */
export type NetworkMode = "default" | "none" | "host";

/** A name for an address. */
export interface ExtraHost {
  readonly name: string;
  readonly address: string;
}

/** An image that is ready to be run: its file tree is on disk. */
export interface RunnableImage {
  /** What the person called it. */
  readonly name: string;
  readonly digest?: string;
  readonly platform: Platform;
  readonly config: ContainerConfig;
  /** The file tree as a directory; it is never written to. */
  readonly rootfs: string;
}

/** How a container is to be run; everything has Docker's meaning and default. */
export interface RunOptions {
  /** A name instead of a made-up one. */
  readonly name?: string;
  /** Arguments instead of the image's `Cmd`. */
  readonly command?: readonly string[];
  /** Instead of the image's `Entrypoint`; the image's `Cmd` then no longer counts. */
  readonly entrypoint?: readonly string[];
  /** `NAME=value`, later ones win. */
  readonly environment?: readonly string[];
  readonly user?: string;
  readonly workingDirectory?: string;
  readonly hostname?: string;
  /** More names by which the other containers of the pod find it. */
  readonly aliases?: readonly string[];
  /** Lines for /etc/hosts. */
  readonly extraHosts?: readonly ExtraHost[];
  /** Name servers instead of the machine's. */
  readonly dns?: readonly string[];
  readonly readOnly?: boolean;
  readonly publish?: readonly PublishedPort[];
  readonly volumes?: readonly Volume[];
  readonly tmpfs?: readonly Tmpfs[];
  /** Bytes. */
  readonly memory?: number;
  /** Processors, with fractions. */
  readonly cpus?: number;
  readonly pidsLimit?: number;
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly network?: NetworkMode;
  /** Containers of one pod share a network and find each other by name. */
  readonly pod?: string;
  /** Puts a reaper at PID 1. */
  readonly init?: boolean;
  /** Gives the program a terminal. */
  readonly terminal?: boolean;
  /** Keeps standard input open. */
  readonly interactive?: boolean;
  readonly stopSignal?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Remove the container when it has ended, with the volumes that were made for it alone. */
  readonly remove?: boolean;
  /** Whether its program is started again when it has ended; default: not. */
  readonly restart?: RestartPolicy;
  /** How much of its output is kept; see `LogLimits`. */
  readonly log?: LogLimits;
  /** Use exactly this driver. */
  readonly driver?: DriverName;
}
