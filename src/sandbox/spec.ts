import { chooseCapabilities } from "./capabilities.ts";
import { containerMounts, type MountSituation, maskedPaths, readonlyPaths } from "./mounts.ts";
import type { RunOptions } from "./options.ts";
import type { ContainerProcess } from "./process.ts";
import type { RuntimeSpec, SpecNamespace, SpecProcess, SpecResources } from "./runtime-spec.ts";
import { seccompProfile } from "./seccomp.ts";

/** Everything that decides a container's runtime configuration. */
export interface SpecInput {
  readonly id: string;
  readonly hostname: string;
  readonly process: ContainerProcess;
  readonly options: RunOptions;
  readonly mounts: MountSituation;
  /** The machine's own architecture, as the image-spec spells it. */
  readonly architecture: string;
  /** The capabilities that can be passed on. */
  readonly held: readonly string[];
  /** Limits can be set through control groups. */
  readonly limits: boolean;
  /** The machine has the unified control groups only, so the container gets a view of its own. */
  readonly cgroupNamespace: boolean;
  /** The runtime is started in the container's network, and makes none. */
  readonly inNetwork?: boolean;
  /** Host path of a reaper for PID 1. */
  readonly init?: string;
}

const initInside = "/sbin/docker-init";

/**
 * Writes the runtime configuration (OCI runtime-spec, "config.md") of a container with Docker's defaults:
 * 14 capabilities, the seccomp allow-list, masked and read-only paths, no new privileges, all namespaces.
 */
export function runtimeSpec(input: SpecInput): RuntimeSpec {
  const { options } = input;
  const process = specProcess(input.process, options, input.held);
  const seccomp = seccompProfile(input.architecture, process.capabilities.bounding);
  const mounts = containerMounts(options, input.mounts);
  const init = input.init;
  return {
    ociVersion: "1.0.2",
    process: init === undefined ? process : { ...process, args: [initInside, "--", ...process.args] },
    root: { path: "root", readonly: options.readOnly ?? false },
    ...(options.network === "host" ? {} : { hostname: input.hostname }),
    mounts:
      init === undefined
        ? mounts
        : [
            ...mounts,
            { destination: initInside, type: "bind", source: init, options: ["bind", "ro", "rprivate"] },
          ],
    linux: {
      namespaces: namespaces(input),
      ...(input.limits ? { cgroupsPath: `/whittle/${input.id}`, resources: resources(options) } : {}),
      ...(seccomp === undefined ? {} : { seccomp }),
      // As in Docker, a port below 1024 needs no privilege inside a container's own network.
      ...(ownNetwork(input) ? { sysctl: { "net.ipv4.ip_unprivileged_port_start": "0" } } : {}),
      maskedPaths,
      readonlyPaths,
    },
  };
}

/** The `process` member, for the first process and for those that `exec` adds. */
export function specProcess(
  process: ContainerProcess,
  options: Pick<RunOptions, "capAdd" | "capDrop">,
  held: readonly string[],
): SpecProcess {
  const { account } = process;
  const bounding = chooseCapabilities(options.capAdd ?? [], options.capDrop ?? [], held);
  // The kernel takes them away from another user than root at exec(2) in any case (capabilities(7)).
  const effective = account.uid === 0 ? bounding : [];
  return {
    terminal: process.terminal,
    user: {
      uid: account.uid,
      gid: account.gid,
      ...(account.additionalGids.length === 0 ? {} : { additionalGids: account.additionalGids }),
    },
    args: process.args,
    env: process.env,
    cwd: process.cwd,
    capabilities: { bounding, effective, permitted: effective },
    noNewPrivileges: true,
  };
}

function ownNetwork(input: SpecInput): boolean {
  return input.options.network !== "host" && input.inNetwork !== true;
}

function namespaces(input: SpecInput): SpecNamespace[] {
  const list: SpecNamespace[] = [{ type: "pid" }, { type: "ipc" }, { type: "mount" }];
  if (input.options.network !== "host") {
    list.push({ type: "uts" });
  }
  if (ownNetwork(input)) list.push({ type: "network" });
  if (input.cgroupNamespace) list.push({ type: "cgroup" });
  return list;
}

const cpuPeriod = 100_000;

function resources(options: RunOptions): SpecResources {
  const { memory, cpus, pidsLimit } = options;
  return {
    // The runtime adds the devices that every container has.
    devices: [{ allow: false, access: "rwm" }],
    ...(memory === undefined ? {} : { memory: { limit: memory } }),
    ...(cpus === undefined ? {} : { cpu: { quota: Math.round(cpus * cpuPeriod), period: cpuPeriod } }),
    ...(pidsLimit === undefined ? {} : { pids: { limit: pidsLimit } }),
  };
}
