import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { type Duplex, Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Environment, Work } from "../io/index.ts";
import type { Bundle, CommandLine } from "./driver.ts";
import { findProgram } from "./machine.ts";
import { inNetwork } from "./network.ts";
import { userNamespaceOptions } from "./privilege.ts";
import { defaultPath } from "./process.ts";
import { killGroup } from "./process-group.ts";
import type { Setup } from "./runtimes.ts";
import { secretsScript } from "./secret-files.ts";

/** Takes what a program prints. */
export type StepOutput = (chunk: Buffer, stream: "stdout" | "stderr") => void;

/** What the script below found to write to: see {@link stepScript}. */
export const writtenPlaces = ["upper", "memory/upper", "root", "none"] as const;
export type WrittenPlace = (typeof writtenPlaces)[number];

/**
 * The descriptor by which the script asks whether whoever started it is there still. Whoever is killed before unshare(1)
 * has asked the kernel for its child's end leaves that child; from the script on the kernel sees to it.
 */
const lifeline = 4;

/**
 * Runs with mount and process namespaces of its own: puts the root together from the directories `lowers/0`,
 * `lowers/1`… (their names are short because the kernel takes 4096 bytes of options), and starts the container.
 * The overlay's upper directory is on disk; where that file system cannot carry one (it is an overlay itself) it
 * is in memory. What the program flushes is not flushed, nor is everything when it ends: after a power failure the
 * step is run again in any case (overlayfs.rst, "Volatile mount"; Linux has that since 5.10). Where the kernel allows
 * no overlay at all nothing is started, unless there is a tree to copy.
 *
 * Where the tree has none of the directories that every container has something mounted at, they are made here, so that
 * they look the same whoever runs the container. Tells in `written` where the program wrote to and in `status` how it
 * ended; where whoever asked cannot read what is left, it is put into a tar.
 */
const stepScript = `
set -e
echo here >&${lifeline}; read -r word <&${lifeline} || exit 1; exec ${lifeline}>&-
cd "$1"; options=$2; lowers=$3; copy=$4; hide=$5; pack=$6; group=$7; shift 7
[ -z "$hide" ] || mount -t tmpfs tmpfs "$hide"
for directory in $group; do echo 0 > "$directory/cgroup.procs"; done
${secretsScript}
lay() {
  # The mark of an overlay that was not flushed; it ended in an orderly way, and the kernel has everything.
  [ ! -d "$1/work/work/incompat" ] || rm -r "$1/work/work/incompat"
  cd lowers
  lay_with "$1" ,volatile || lay_with "$1" ""
  laid=$?; cd ..; return "$laid"
}
lay_with() {
  mount -t overlay overlay -o "$options$2,lowerdir=$lowers,upperdir=../$1/upper,workdir=../$1/work" ../root 2>/dev/null
}
in_memory() {
  mkdir -p memory && mount -t tmpfs tmpfs memory && mkdir memory/upper memory/work || return 1
  # Memory forgets; whoever looks around afterwards finds what was packed.
  [ ! -f left.tar ] || tar --xattrs --xattrs-include='*' --numeric-owner -xpf left.tar -C memory/upper || return 1
  lay memory
}
if [ "$copy" = here ]; then written=root
elif [ -n "$copy" ]; then cp -a --reflink=auto "$copy/." root/; written=root
elif lay .; then written=upper
elif in_memory; then written=memory/upper; pack=yes
else echo none > written; exit 0
fi
echo "$written" > written
for directory in dev proc sys; do
  [ -e "root/$directory" ] || mkdir -m 755 "root/$directory" 2>/dev/null || :
done
status=0; "$@" || status=$?
echo "$status" > status
[ -n "$pack" ] || exit 0
find "$written" -type s -delete
tar --xattrs --xattrs-include='*' --numeric-owner --format=posix -C "$written" -cf left.tar .
`;

/** In place of the directory that is copied: the copy is there already. */
export const againHere = "here";

/** What the step's script has to know beside the container. */
export interface StepLaunch {
  readonly bundle: Bundle;
  readonly setup: Setup;
  /** How many directories there are to be laid over one another. */
  readonly lowers: number;
  /** A directory with the whole tree, to be copied instead; {@link againHere} when that was done before. */
  readonly copy?: string;
  /** Put what is left into `left.tar`. */
  readonly pack: boolean;
  /** Directories of control groups that everything is to be a member of. */
  readonly groups: readonly string[];
}

/**
 * The command line that runs a step. Everything is in one process namespace, whose first process ends when its
 * parent does, and that one when this process does, however it ends.
 */
export async function stepCommand(launch: StepLaunch, environment: Environment): Promise<CommandLine> {
  const { bundle, setup, lowers, copy = "", pack, groups } = launch;
  const setpriv = await findProgram("setpriv", environment);
  const names = Array.from({ length: lowers }, (_, index) => String(lowers - 1 - index));
  const { network, privilege } = bundle;
  return [
    ...(network === undefined ? [] : inNetwork(network)),
    ...(setpriv === undefined ? [] : [setpriv, "--pdeathsig", "KILL"]),
    "unshare",
    ...(network === undefined ? userNamespaceOptions(privilege) : []),
    ...["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"],
    ...["--", "sh", "-c", stepScript, "step"],
    bundle.directory,
    overlayOptions[privilege === "root" ? "root" : "user"],
    names.join(":"),
    copy,
    setup.driver.hides,
    pack ? "yes" : "",
    groups.join(" "),
    ...setup.driver.inside(bundle),
  ];
}

/**
 * An image's files give no orders to the overlay, and what it writes is read by us. A user namespace may not write
 * trusted.* attributes; the overlay then keeps its notes in user.*, and has none of these features.
 */
const overlayOptions = { root: "redirect_dir=nofollow,index=off,metacopy=off", user: "userxattr" } as const;

/**
 * Runs a command line to its end; when the work is interrupted, it and all its children end at once.
 *
 * @param given - what it can read from descriptor 3
 */
export async function runToEnd(
  line: CommandLine,
  work: Work,
  output: StepOutput | "inherit",
  given?: AsyncIterable<Uint8Array>,
): Promise<number> {
  const [file = "", ...args] = line;
  const inherit = output === "inherit";
  const sink = inherit ? "inherit" : "pipe";
  const child = spawn(file, args, {
    stdio: [inherit ? "inherit" : "ignore", sink, sink, given === undefined ? "ignore" : "pipe", "pipe"],
    env: { PATH: defaultPath, SHELL: "/bin/sh", ...(inherit ? { TERM: process.env["TERM"] } : {}) },
    // A terminal belongs to those who started with it; others are a group, to be ended as one.
    detached: !inherit,
  });
  if (output !== "inherit") {
    child.stdout?.on("data", (chunk: Buffer) => output(chunk, "stdout"));
    child.stderr?.on("data", (chunk: Buffer) => output(chunk, "stderr"));
  }
  const third = child.stdio[3];
  if (given !== undefined && third instanceof Writable) {
    // Whoever ends without reading it says why; that may be after all of it is on its way.
    third.on("error", () => undefined);
    pipeline(Readable.from(given, { objectMode: false }), third).catch(() => undefined);
  }
  const asked = child.stdio[lifeline] as Duplex;
  asked.on("error", () => undefined).once("data", () => asked.end("here\n"));
  // Between its fork and the first word to the kernel a child does not die with unshare(1), but with the group.
  const abort = (): void => void (inherit ? child.kill("SIGKILL") : killGroup(child));
  work.signal.addEventListener("abort", abort);
  if (work.signal.aborted) abort();
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) =>
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
      );
    });
  } finally {
    work.signal.removeEventListener("abort", abort);
  }
}

/** The names of the script's files, in the step's directory. */
export function stepFiles(directory: string): { written: string; status: string; tar: string; log: string } {
  return {
    written: join(directory, "written"),
    status: join(directory, "status"),
    tar: join(directory, "left.tar"),
    log: join(directory, "runtime.log"),
  };
}
