import type { RunOptions } from "./options.ts";
import type { SpecMount } from "./runtime-spec.ts";
import type { Tmpfs } from "./volumes.ts";

/** A file or directory of the machine and where it is shown. */
export interface PlacedMount {
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
}

/** What about the machine decides the mounts of a container. */
export interface MountSituation {
  /** The container lives in a user namespace made by an ordinary user. */
  readonly rootless: boolean;
  /** Group 5 (tty) exists in the user namespace. */
  readonly ttyGroup: boolean;
  /** Show the control groups read-only at /sys/fs/cgroup. */
  readonly cgroups: boolean;
  /** The network belongs to another user namespace than the container's. */
  readonly foreignNetwork?: boolean;
  /** Directory with `hosts`, `resolv.conf` and `hostname` for this container. */
  readonly files: string;
  readonly volumes?: readonly PlacedMount[];
}

/** Paths that show something of the machine; the same as Docker hides. */
export const maskedPaths: readonly string[] = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];

/** Paths through which the machine could be changed; the same as Docker makes read-only. */
export const readonlyPaths: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

/**
 * The mounts of a container in the order in which they are made: the kernel's file systems, the three files
 * that belong to the machine and not to the image (name, hosts, name servers), what the person asked for.
 */
export function containerMounts(options: RunOptions, situation: MountSituation): SpecMount[] {
  return [
    ...kernelMounts(options, situation),
    ...["resolv.conf", "hostname", "hosts"].map((name) =>
      bind(`${situation.files}/${name}`, `/etc/${name}`, ["bind", "rprivate"]),
    ),
    ...[...(options.tmpfs ?? []).map(tmpfsMount), ...(situation.volumes ?? []).map(volumeMount)].sort(
      // What lies inside another one is mounted after it.
      (a, b) => a.destination.split("/").length - b.destination.split("/").length,
    ),
  ];
}

function tmpfsMount({ destination, options }: Tmpfs): SpecMount {
  return mount("tmpfs", destination, "tmpfs", [
    ...["nosuid", "nodev", "noexec"],
    // For everybody, as /tmp is; without it runtimes take over the mode of what the image has there.
    ...(options.some((option) => option.startsWith("mode=")) ? [] : ["mode=1777"]),
    ...options,
  ]);
}

function volumeMount({ source, destination, readOnly }: PlacedMount): SpecMount {
  return bind(source, destination, ["rbind", "rprivate", readOnly ? "ro" : "rw"]);
}

function kernelMounts(options: RunOptions, situation: MountSituation): SpecMount[] {
  const quiet = ["nosuid", "noexec", "nodev"];
  // Without a network namespace that belongs to it, a user namespace may not mount a new sysfs (sysfs(5)).
  const sys =
    situation.rootless && (options.network === "host" || situation.foreignNetwork === true)
      ? bind("/sys", "/sys", ["rbind", "rprivate", "ro", ...quiet])
      : mount("sysfs", "/sys", "sysfs", [...quiet, "ro"]);
  const tty = situation.ttyGroup ? ["gid=5"] : [];
  return [
    mount("proc", "/proc", "proc", quiet),
    mount("tmpfs", "/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    mount("devpts", "/dev/pts", "devpts", [
      "nosuid",
      "noexec",
      "newinstance",
      "ptmxmode=0666",
      "mode=0620",
      ...tty,
    ]),
    sys,
    ...(situation.cgroups ? [mount("cgroup", "/sys/fs/cgroup", "cgroup", ["ro", ...quiet])] : []),
    mount("mqueue", "/dev/mqueue", "mqueue", quiet),
    mount("tmpfs", "/dev/shm", "shm", [...quiet, "mode=1777", "size=67108864"]),
  ];
}

function mount(type: string, destination: string, source: string, options: readonly string[]): SpecMount {
  return { destination, type, source, options };
}

function bind(source: string, destination: string, options: readonly string[]): SpecMount {
  return { destination, type: "bind", source, options };
}
