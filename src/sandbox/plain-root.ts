import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Privilege } from "./privilege.ts";
import type { RuntimeSpec, SpecMount } from "./runtime-spec.ts";
import { changeDirectory, detach, mount, mountFlags, pivotInto, SystemCallError } from "./system.ts";

/** Device files that every container has, taken from the machine. */
const devices = ["null", "zero", "full", "random", "urandom", "tty"];

const deviceLinks: readonly (readonly [string, string])[] = [
  ["/proc/self/fd", "/dev/fd"],
  ["/proc/self/fd/0", "/dev/stdin"],
  ["/proc/self/fd/1", "/dev/stdout"],
  ["/proc/self/fd/2", "/dev/stderr"],
  ["pts/ptmx", "/dev/ptmx"],
];

/** Puts the read-only tree and a writable directory together at `DIRECTORY/root`; see the launch script of OCI runtimes. */
export function layRoot(directory: string, privilege: Privilege): void {
  const first = privilege === "root" ? "" : "userxattr,";
  const lay = (upper: string): void =>
    mount(
      "overlay",
      `${directory}/root`,
      "overlay",
      0,
      `${first}lowerdir=lower,upperdir=${upper}/upper,workdir=${upper}/work`,
    );
  // Relative names, because colons and commas have a meaning for the overlay.
  process.chdir(directory);
  try {
    lay(".");
  } catch {
    try {
      mkdirSync("memory", { recursive: true });
      mount("tmpfs", "memory", "tmpfs", 0);
      mkdirSync("memory/upper");
      mkdirSync("memory/work");
      lay("memory");
    } catch {
      mount("tmpfs", "root", "tmpfs", 0);
      const copy = spawnSync("cp", ["-a", "lower/.", "root/"], { stdio: ["ignore", "ignore", "inherit"] });
      if (copy.status !== 0) throw new SystemCallError("copy", "failed", "the image's files");
    }
  }
}

/** Makes a root that somebody else put together one that can be moved into: a mount of this namespace. */
export function bindRoot(directory: string): void {
  const root = `${directory}/root`;
  mount(root, root, null, mountFlags.bind | mountFlags.recursive);
}

/**
 * Moves into the root and makes the mounts of the configuration. From the pivot on, absolute names are looked up
 * inside the container, so no link of the image can lead a mount out of it; the machine's files are in reach by
 * names relative to the working directory alone, until that is unmounted.
 */
export function enterRoot(directory: string, spec: RuntimeSpec): void {
  const sources = spec.mounts.map((item) => (item.type === "bind" ? realpathSync(item.source) : item.source));
  const machine = openSync("/", "r");
  pivotInto(`${directory}/root`);
  changeDirectory(machine);
  closeSync(machine);
  spec.mounts.forEach((item, index) => {
    makeMount(item, sources[index] ?? item.source);
    if (item.destination === "/dev") fillDevices();
  });
  for (const [name, value] of Object.entries(spec.linux.sysctl ?? {})) {
    writeFileSync(`/proc/sys/${name.replaceAll(".", "/")}`, value);
  }
  for (const path of spec.linux.readonlyPaths) if (existsSync(path)) makeReadOnly(path);
  for (const path of spec.linux.maskedPaths) if (existsSync(path)) mask(path);
  mount(null, ".", null, mountFlags.slave | mountFlags.recursive);
  detach(".");
  process.chdir("/");
  if (spec.root.readonly) readOnlyRoot();
}

const flagOptions: Readonly<Record<string, number>> = {
  ro: mountFlags.readOnly,
  nosuid: mountFlags.nosuid,
  nodev: mountFlags.nodev,
  noexec: mountFlags.noexec,
  bind: mountFlags.bind,
  rbind: mountFlags.bind | mountFlags.recursive,
};
const ignoredOptions = new Set(["rw", "exec", "dev", "suid", "strictatime", "noatime", "rprivate"]);

function makeMount(item: SpecMount, source: string): void {
  // The control groups are only shown, and showing them takes privileges that are not worth having here.
  if (item.type === "cgroup") return;
  const flags = item.options.reduce((sum, option) => sum | (flagOptions[option] ?? 0), 0);
  const data = item.options
    .filter((option) => flagOptions[option] === undefined && !ignoredOptions.has(option))
    .join(",");
  if (item.type !== "bind") {
    mkdirSync(item.destination, { recursive: true });
    mount(item.source, item.destination, item.type, flags, data === "" ? null : data);
    return;
  }
  bind(`.${source}`, item.destination, flags & mountFlags.recursive);
  if ((flags & mountFlags.readOnly) !== 0) makeReadOnly(item.destination, false);
}

function bind(source: string, destination: string, recursive = 0): void {
  if (statSync(source).isDirectory()) {
    mkdirSync(destination, { recursive: true });
  } else if (!existsSync(destination)) {
    mkdirSync(dirname(destination), { recursive: true });
    writeFileSync(destination, "");
  }
  mount(source, destination, null, mountFlags.bind | recursive);
}

function fillDevices(): void {
  for (const name of devices) bind(`./dev/${name}`, `/dev/${name}`);
  for (const [target, path] of deviceLinks) symlinkSync(target, path);
}

function mask(path: string): void {
  if (statSync(path).isDirectory()) mount("tmpfs", path, "tmpfs", mountFlags.readOnly);
  else mount("./dev/null", path, null, mountFlags.bind);
}

/**
 * Makes a path read-only by a mount over itself. In a user namespace flags that came with the mount must stay
 * (mount_namespaces(7)), and which these are is found by trying.
 */
function makeReadOnly(path: string, bindFirst = true): void {
  if (bindFirst) mount(path, path, null, mountFlags.bind | mountFlags.recursive);
  const { nosuid, nodev, noexec } = mountFlags;
  for (const kept of [nosuid | nodev | noexec, nosuid | nodev, nosuid, 0]) {
    if (remounts(path, kept)) return;
  }
  throw new SystemCallError("mount", "EPERM", `${path} read-only`);
}

function remounts(path: string, kept: number): boolean {
  try {
    mount(null, path, null, mountFlags.remount | mountFlags.bind | mountFlags.readOnly | kept);
    return true;
  } catch {
    return false;
  }
}

function readOnlyRoot(): void {
  mount(null, "/", null, mountFlags.remount | mountFlags.bind | mountFlags.readOnly);
}
