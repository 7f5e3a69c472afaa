import { accessSync, constants, readFileSync, statfsSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Environment } from "../io/index.ts";
import { capabilitiesOfMask, capabilityNames } from "./capabilities.ts";

/** Which control groups the machine has (cgroups(7)). */
export type CgroupMode = "v2" | "v1" | "hybrid" | "none";

const cgroup2Magic = 0x63677270;

/** Finds a program as the shell would, in PATH and in the system directories that a user's PATH may lack. */
export async function findProgram(name: string, environment: Environment): Promise<string | undefined> {
  const directories = [...(environment["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin", "/usr/bin"];
  for (const directory of directories) {
    if (!directory.startsWith("/")) continue;
    const path = join(directory, name);
    if (isExecutable(path)) return path;
  }
  return undefined;
}

/** Asked of a dozen paths for each program: at once, because every trip through the thread pool takes longer. */
function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether this process is root to the machine. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** The control groups that are mounted. */
export function cgroupMode(): CgroupMode {
  if (fileSystemType("/sys/fs/cgroup") === cgroup2Magic) return "v2";
  if (fileSystemType("/sys/fs/cgroup/unified") === cgroup2Magic) return "hybrid";
  return readOr("/proc/self/cgroup", "").split("\n").length > 1 ? "v1" : "none";
}

/** The capabilities that a process started from here can have at most. */
export function heldCapabilities(): string[] {
  const mask = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readOr("/proc/self/status", ""))?.[1];
  return mask === undefined ? [...capabilityNames] : capabilitiesOfMask(mask);
}

/** The name of the user that this process runs as, from the machine's own files. */
export function userName(): string | undefined {
  const uid = String(process.geteuid?.() ?? 0);
  const line = readOr("/etc/passwd", "")
    .split("\n")
    .find((text) => text.split(":")[2] === uid);
  return line?.split(":")[0];
}

/** How many subordinate ids (subuid(5), subgid(5)) this user has; the smaller of both numbers. */
export function subordinateIds(): number {
  const keys = [userName(), String(process.geteuid?.() ?? 0)];
  const count = (file: string): number =>
    readOr(file, "")
      .split("\n")
      .map((line) => line.split(":"))
      .filter(([name]) => name !== undefined && keys.includes(name))
      .reduce((sum, [, , length]) => sum + (Number(length) || 0), 0);
  return Math.min(count("/etc/subuid"), count("/etc/subgid"));
}

/** Reads a small file of the machine, or gives the fallback where it cannot be read. */
export function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return fallback;
  }
}

function fileSystemType(path: string): number | undefined {
  try {
    return statfsSync(path).type;
  } catch {
    return undefined;
  }
}
