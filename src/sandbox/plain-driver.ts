import type { Bundle, CommandLine, Driver, Joining } from "./driver.ts";
import { entryFile } from "./entries.ts";
import { inNetwork } from "./network.ts";
import { userNamespaceOptions } from "./privilege.ts";
import type { SpecNamespace } from "./runtime-spec.ts";

/**
 * The first process that is started after unshare(1) has made a process namespace becomes its PID 1; the shell
 * that starts it stays outside, and answers with its exit status, or with 128 + n after signal n. What a terminal
 * sends to all of us is the container's business.
 */
const waitScript = `trap : INT QUIT TERM HUP; (exec "$@" 2>&3 3>&-); exit $?`;

/** Puts standard error aside, so that the waiting shell has no words of its own about the program's end. */
const asideScript = `exec "$@" 3>&2 2>/dev/null`;

/**
 * Runs containers where no OCI runtime is installed: unshare(1) makes the namespaces, a small program of ours
 * makes the mounts, gives the privileges up and becomes the container's program.
 */
export function plainDriver(nsenter: string): Driver {
  return {
    name: "plain",
    lacks: ["no seccomp filter", "no memory, processor and process limits"],
    hides: "",
    inside: (bundle) => inside(bundle),
    run: (bundle) => [
      "sh",
      "-c",
      asideScript,
      "aside",
      ...(bundle.network === undefined ? [] : inNetwork(bundle.network)),
      "unshare",
      ...ownUser(bundle),
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
    exec: (bundle, join) =>
      hasOtherId(bundle)
        ? execAsOnlyUser(nsenter, bundle, join)
        : [
            nsenter,
            ...enterOptions(bundle, join.pid),
            "--",
            process.execPath,
            entryFile("plain-exec"),
            String(join.pid),
            join.processFile,
            join.log,
            bundle.privilege,
          ],
  };
}

/** Mount namespace and user namespace are there, but a program that is to have another id needs one more. */
function inside(bundle: Bundle): CommandLine {
  return [
    ...["sh", "-c", asideScript, "aside", "unshare"],
    ...(hasOtherId(bundle) ? singleId(bundle) : []),
    ...["--mount", "--propagation", "private"],
    ...newNamespaces(bundle.namespaces),
    ...["--", "sh", "-c", waitScript, "wait"],
    ...[process.execPath, entryFile("plain-init"), bundle.directory, bundle.privilege, "laid"],
  ];
}

/**
 * A program executed by another user than root loses its capabilities, so where that user is the only one there
 * is nsenter(1) has to do everything, and the program starts where the container's first one was.
 */
function execAsOnlyUser(
  nsenter: string,
  bundle: Bundle,
  { pid, process: { env, args } }: Joining,
): CommandLine {
  const { network } = bundle;
  // The network belongs to the user namespace above the container's.
  const outer = network === undefined ? [] : inNetwork(network);
  const options = [...enterOptions(bundle, pid, false), "--mount", "--root", "--wd"];
  return [
    "setpriv",
    "--no-new-privs",
    "--",
    ...outer,
    "env",
    "-i",
    ...env,
    nsenter,
    ...options,
    "--",
    ...args,
  ];
}

function enterOptions(bundle: Bundle, pid: number, network = bundle.network !== undefined): string[] {
  const user = bundle.privilege === "root" ? [] : ["--user", "--preserve-credentials"];
  // All but the mount namespace, in which Node would not find itself.
  const others = bundle.namespaces.filter(({ type }) => type !== "mount");
  const net = network ? ["--net"] : [];
  return ["--target", String(pid), ...user, ...net, ...others.map(({ type }) => namespaceOptions[type])];
}

/** The user namespace of a container: that of its network, unless its only id is to be another one. */
function ownUser(bundle: Bundle): string[] {
  if (hasOtherId(bundle)) return singleId(bundle);
  return bundle.network === undefined ? userNamespaceOptions(bundle.privilege) : [];
}

/** Whether the only id that there is to give is another one than root's. */
function hasOtherId({ privilege, uid, gid }: Bundle): boolean {
  return privilege === "single" && (uid !== 0 || gid !== 0);
}

/** With one id to give, the program itself gets it, and keeps the capabilities that making mounts takes. */
function singleId(bundle: Bundle): string[] {
  return ["--user", `--map-user=${bundle.uid}`, `--map-group=${bundle.gid}`, "--keep-caps"];
}

const namespaceOptions = {
  pid: "--pid",
  ipc: "--ipc",
  uts: "--uts",
  mount: "--mount",
  network: "--net",
  cgroup: "--cgroup",
} as const;

function newNamespaces(namespaces: readonly SpecNamespace[]): string[] {
  return namespaces.filter(({ type }) => type !== "mount").map(({ type }) => namespaceOptions[type]);
}
