import type { Bundle, Driver } from "./driver.ts";
import { entryFile } from "./entries.ts";
import { userNamespaceOptions } from "./privilege.ts";
import type { SpecNamespace } from "./runtime-spec.ts";

/**
 * The first process that is started after unshare(1) has made a process namespace becomes its PID 1; the shell
 * that starts it stays outside, and answers with its exit status, or with 128 + n after signal n. What a terminal
 * sends to all of us is the container's business.
 */
const waitScript = `trap : INT QUIT TERM HUP; exec 3>&2 2>/dev/null; "$@" 2>&3 3>&-; exit $?`;

/**
 * Runs containers where no OCI runtime is installed: unshare(1) makes the namespaces, a small program of ours
 * makes the mounts, gives the privileges up and becomes the container's program.
 */
export function plainDriver(): Driver {
  return {
    name: "plain",
    lacks: ["no seccomp filter", "no memory, processor and process limits"],
    run: (bundle) => [
      "unshare",
      ...(bundle.privilege === "single" ? singleId(bundle) : userNamespaceOptions(bundle.privilege)),
      "--mount",
      "--propagation",
      "private",
      ...newNamespaces(bundle.namespaces),
      "--",
      "sh",
      "-c",
      waitScript,
      "wait",
      process.execPath,
      entryFile("plain-init"),
      bundle.directory,
      bundle.privilege,
    ],
    exec: (bundle, { pid, processFile, log }) => [
      "nsenter",
      "--target",
      String(pid),
      ...(bundle.privilege === "root" ? [] : ["--user", "--preserve-credentials"]),
      "--net",
      "--ipc",
      "--uts",
      "--pid",
      "--",
      process.execPath,
      entryFile("plain-exec"),
      String(pid),
      processFile,
      log,
      bundle.privilege,
    ],
  };
}

/** With one id to give, the program itself gets it, and keeps the capabilities that making mounts takes. */
function singleId(bundle: Bundle): string[] {
  return ["--user", `--map-user=${bundle.uid}`, `--map-group=${bundle.gid}`, "--keep-caps"];
}

const unshareOptions = {
  pid: "--pid",
  ipc: "--ipc",
  uts: "--uts",
  mount: "--mount",
  network: "--net",
  cgroup: "--cgroup",
} as const;

function newNamespaces(namespaces: readonly SpecNamespace[]): string[] {
  return namespaces
    .filter(({ type, path }) => path === undefined && type !== "mount")
    .map(({ type }) => unshareOptions[type]);
}
