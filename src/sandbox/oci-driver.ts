import type { Bundle, CommandLine, Driver } from "./driver.ts";
import { inNetwork } from "./network.ts";
import { inNamespacesOf, userNamespaceOptions } from "./privilege.ts";

/**
 * Runs with a mount namespace of its own: puts the root together, then becomes the runtime. The overlay's upper
 * directory is on disk; where that file system cannot carry one (it is an overlay itself) it is in memory, and
 * where the kernel allows no overlay at all the tree is copied.
 */
const launchScript = `
set -e
cd "$1"; overlay=$2; hide=$3; shift 3
[ -z "$hide" ] || mount -t tmpfs tmpfs "$hide"
lay() { mount -t overlay overlay -o "$overlay,lowerdir=lower,upperdir=$1/upper,workdir=$1/work" root 2>/dev/null; }
in_memory() { mkdir -p memory && mount -t tmpfs tmpfs memory && mkdir memory/upper memory/work && lay memory; }
lay . || in_memory || { mount -t tmpfs tmpfs root && cp -a lower/. root/; }
for file in owners/*; do
  [ ! -f "$file" ] || (cd root && xargs -0 chown -h -- "\${file##*/}") < "$file"
done
exec "$@"
`;

const joinScript = `
set -e
hide=$1; shift
[ -z "$hide" ] || mount -t tmpfs tmpfs "$hide"
exec "$@"
`;

/** How a particular runtime has to be called on this machine. */
export interface OciRuntime {
  readonly name: "runc" | "crun";
  readonly path: string;
  /** Options before the verb. */
  readonly options: readonly string[];
  /**
   * A mount that the runtime must not see: crun refuses to work where the unified control groups are mounted
   * beside the older ones.
   */
  readonly hide: string;
}

/** Runs containers by an OCI runtime on the PATH. */
export function ociDriver(runtime: OciRuntime): Driver {
  return {
    name: runtime.name,
    lacks: [],
    hides: runtime.hide,
    inside: (bundle) => runtimeCommand(runtime, bundle),
    run: (bundle) => runCommand(runtime, bundle),
    exec: (bundle, { pid, processFile, log }) => [
      ...inNamespacesOf(pid, bundle.privilege, bundle.network !== undefined),
      "unshare",
      "--mount",
      "--propagation",
      "private",
      "--",
      "sh",
      "-c",
      joinScript,
      "join",
      runtime.hide,
      ...runtimeWords(runtime, bundle, log),
      "exec",
      "--process",
      processFile,
      bundle.id,
    ],
  };
}

function runCommand(runtime: OciRuntime, bundle: Bundle): CommandLine {
  const rootless = bundle.privilege !== "root";
  const { network, privilege } = bundle;
  const own = network === undefined ? userNamespaceOptions(privilege) : [];
  return [
    ...(network === undefined ? [] : inNetwork(network)),
    "unshare",
    ...own,
    "--mount",
    "--propagation",
    "private",
    "--",
    "sh",
    "-c",
    launchScript,
    "launch",
    bundle.directory,
    // A user namespace may not write trusted.* attributes; the overlay then keeps its notes in user.*.
    rootless ? "userxattr" : "redirect_dir=off",
    runtime.hide,
    ...runtimeCommand(runtime, bundle),
  ];
}

function runtimeCommand(runtime: OciRuntime, bundle: Bundle): string[] {
  return [
    ...runtimeWords(runtime, bundle, `${bundle.directory}/runtime.log`),
    "run",
    "--bundle",
    bundle.directory,
    "--pid-file",
    `${bundle.directory}/pid`,
    bundle.id,
  ];
}

function runtimeWords(runtime: OciRuntime, bundle: Bundle, log: string): string[] {
  return [
    runtime.path,
    "--root",
    `${bundle.directory}/runtime`,
    "--log",
    log,
    "--log-format",
    "json",
    ...runtime.options,
  ];
}
