import { hostPlatform } from "../image/index.ts";
import type { Account } from "./accounts.ts";
import type { BuildStep } from "./build-step.ts";
import { heldCapabilities } from "./machine.ts";
import { containerResolver, writeStepFiles } from "./machine-files.ts";
import { defaultPath, mergeEnvironment } from "./process.ts";
import type { ResourceLimit, RuntimeSpec, SpecMount } from "./runtime-spec.ts";
import type { Setup } from "./runtimes.ts";
import { runtimeSpec } from "./spec.ts";
import type { StepDirectory } from "./step-directory.ts";
import type { StepNetwork } from "./step-network.ts";

/**
 * How many processes and threads a step may have at a time: more than any compiler's `-j` asks for, and few enough
 * that a fork bomb ends with an error and not with the machine. A control group counts them where there is one,
 * else the kernel counts those of the user namespace (RLIMIT_NPROC, setrlimit(2)).
 */
export const mostProcesses = 8192;

/** The name that BuildKit gives its steps: programs write it into files that are compared. */
const usualHostname = "buildkitsandbox";

/** What decides a step's configuration beside the step. */
export interface StepSpecInput {
  readonly account: Account;
  readonly setup: Setup;
  readonly directory: StepDirectory;
  readonly network: StepNetwork;
  readonly terminal: boolean;
}

/** The runtime configuration of a build's step. */
export async function stepSpec(
  step: BuildStep,
  { account, setup, directory: { id, path }, network, terminal }: StepSpecInput,
): Promise<RuntimeSpec> {
  const spec = runtimeSpec({
    id,
    hostname: step.hostname ?? usualHostname,
    process: {
      args: step.args,
      env: mergeEnvironment([`PATH=${defaultPath}`], [`HOME=${account.home}`], step.env),
      cwd: step.cwd,
      account,
      terminal,
    },
    options: {
      network: network.mode === "own" ? "default" : network.mode,
      pidsLimit: step.pidsLimit ?? mostProcesses,
      ...(step.insecure ? { capAdd: ["ALL"] } : {}),
    },
    mounts: {
      rootless: setup.privilege !== "root",
      ttyGroup: setup.privilege !== "single",
      cgroups: setup.showCgroups,
      // A program whose id is the only one there is has a user namespace of its own.
      foreignNetwork: setup.privilege === "single" && account.uid !== 0 && network.mode === "own",
      files: await machineFiles(path, step, network),
      volumes: [],
    },
    architecture: hostPlatform().architecture,
    held: heldCapabilities(),
    limits: setup.limits,
    cgroupNamespace: false,
    inNetwork: network.mode === "own",
  });
  const own = step.limits ?? [];
  const counted = setup.limits || own.some(({ type }) => type === "RLIMIT_NPROC");
  const rlimits = [...(counted ? [] : [processLimit(step)]), ...own];
  return {
    ...spec,
    linux: step.insecure ? unguarded(spec.linux) : spec.linux,
    // A build may use programs that change their user, as in an ordinary container.
    process: { ...spec.process, noNewPrivileges: false, rlimits },
    mounts: withOwn(
      spec.mounts
        .filter(({ destination }) => destination !== "/etc/hostname")
        .map((mount) => readOnlyFile(withSize(mount, step.shmSize))),
      step.mounts,
    ),
  };
}

function processLimit({ pidsLimit = mostProcesses }: BuildStep): ResourceLimit {
  return { type: "RLIMIT_NPROC", soft: pidsLimit, hard: pidsLimit };
}

/** As BuildKit's `security.insecure`: no filter of system calls, nothing hidden or read-only, every device. */
function unguarded(linux: RuntimeSpec["linux"]): RuntimeSpec["linux"] {
  const { seccomp: _, resources, ...rest } = linux;
  const devices = [{ allow: true, access: "rwm" }];
  return {
    ...rest,
    ...(resources === undefined ? {} : { resources: { ...resources, devices } }),
    maskedPaths: [],
    readonlyPaths: [],
  };
}

/** With a size of one's own BuildKit mounts /dev/shm as it mounts a `--mount=type=tmpfs`. */
function withSize(mount: SpecMount, shmSize: number | undefined): SpecMount {
  if (shmSize === undefined || mount.destination !== "/dev/shm") return mount;
  return { ...mount, source: "tmpfs", options: ["nosuid", `size=${shmSize}`] };
}

/** As in BuildKit, a step may read the files that are the machine's, and a program that writes them fails. */
function readOnlyFile(mount: SpecMount): SpecMount {
  if (mount.destination !== "/etc/hosts" && mount.destination !== "/etc/resolv.conf") return mount;
  return { ...mount, options: [...mount.options, "ro", "nosuid", "noexec", "nodev"] };
}

/** A mount of the step's takes the place of one that every container has. */
function withOwn(usual: readonly SpecMount[], own: readonly SpecMount[]): SpecMount[] {
  const taken = new Set(own.map((mount) => mount.destination));
  return [...usual.filter((mount) => !taken.has(mount.destination)), ...own];
}

function machineFiles(directory: string, step: BuildStep, { network }: StepNetwork): Promise<string> {
  return writeStepFiles(directory, step.hostname ?? usualHostname, {
    hosts: step.extraHosts.map(([name, address]) => `${address}\t${name}`),
    ...(network === undefined ? {} : { resolver: containerResolver(network.hold.nameserver) }),
  });
}
