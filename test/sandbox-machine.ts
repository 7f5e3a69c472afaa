import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const checkout = join(import.meta.dirname, "..");

/** Who runs the tests' containers: root, or an ordinary user with or without subordinate ids. */
export const identities = ["root", "subordinate", "single"] as const;
export type Identity = (typeof identities)[number];

/** What a command that has ended left. */
export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const uid = 4242;
const privateMounts = ["--mount", "--propagation", "private", "--"];

// Seen by the ordinary user alone, in a mount namespace: the checkout at a place that it may read whatever the
// directories above are, files that know the user, and the tunnel device as most machines have it, so that the
// machine's own need not be changed.
const asUser = `
set -e
mount --bind "$1" /mnt
for name in passwd group subuid subgid; do mount --bind "$2/$name" "/etc/$name"; done
mount --bind "\${2%/*}/tun" /dev/net/tun
home=$2/home; shift 2
cd /
exec setpriv --reuid ${uid} --regid ${uid} --clear-groups -- env -u XDG_RUNTIME_DIR -u XDG_CACHE_HOME HOME="$home" "$@"
`;

// Programs that are to be missing are covered by a file that nobody may run; one for mount(8) knows no overlay.
const without = `
set -e
empty=$1; mounter=$2; missing=$3; shift 3
for name in $missing; do
  for path in "/usr/sbin/$name" "/usr/bin/$name"; do
    [ ! -e "$path" ] || mount --bind "$empty" "$path"
  done
done
[ -z "$mounter" ] || mount --bind "$mounter" /usr/bin/mount
[ -z "$NO_NAMESPACES" ] || echo 0 > /proc/sys/user/max_user_namespaces
exec "$@"
`;

const allIds = `
set -e
for name in subuid subgid; do mount --bind "$1" "/etc/$name"; done
shift
exec unshare --user --map-users=0,0,65536 --map-groups=0,0,65536 -- "$@"
`;

/** What a machine is to lack, for one program. */
export interface Lacking {
  /** Names of programs. */
  readonly programs?: readonly string[];
  readonly overlay?: true;
  readonly userNamespaces?: true;
}

/** A directory with a small image's files and homes for the identities; all is removed in the end. */
export class SandboxMachine {
  readonly directory: string;
  readonly rootfs: string;
  readonly #program: string;

  private constructor(directory: string, program: string) {
    this.directory = directory;
    this.#program = program;
    this.rootfs = join(directory, "rootfs");
  }

  /**
   * @param program - what runs as `whittle`: from the source, or as it is bundled, which starts faster
   */
  static async make(program = "test/whittle.ts"): Promise<SandboxMachine> {
    const directory = await mkdtemp(join(tmpdir(), "whittle-sandbox-"));
    await chmod(directory, 0o755);
    const machine = new SandboxMachine(directory, program);
    execFileSync("mknod", ["-m", "666", join(directory, "tun"), "c", "10", "200"]);
    await machine.#makeRoot();
    await machine.#makeCovers();
    for (const identity of identities) await machine.#makeHome(identity);
    return machine;
  }

  /** Starts `whittle` as one of the identities. */
  spawn(
    identity: Identity,
    args: readonly string[],
    options: SpawnOptions = {},
    lacking: Lacking = {},
  ): ChildProcess {
    const home = join(this.directory, identity);
    const node = process.execPath.startsWith(checkout)
      ? `/mnt${process.execPath.slice(checkout.length)}`
      : process.execPath;
    const own = { ...process.env, XDG_RUNTIME_DIR: "", XDG_CACHE_HOME: "" };
    if (identity === "root") {
      const env = { ...own, HOME: join(home, "home"), XDG_RUNTIME_DIR: join(home, "run") };
      const line = [process.execPath, join(checkout, this.#program), ...args];
      const [file = "", ...rest] = this.#lacking(lacking, line);
      return spawn(file, rest, { ...options, env: { ...env, ...options.env } });
    }
    const line = ["sh", "-c", asUser, "as-user", checkout, home, node, `/mnt/${this.#program}`, ...args];
    const [file = "", ...rest] = this.#lacking(lacking, ["unshare", ...privateMounts, ...line]);
    return spawn(file, rest, { ...options, env: { ...own, ...options.env } });
  }

  /** The words before a command that take something away from the machine, for it alone. */
  #lacking({ programs = [], overlay, userNamespaces }: Lacking, line: readonly string[]): readonly string[] {
    if (programs.length === 0 && overlay === undefined && userNamespaces === undefined) return line;
    // How many user namespaces there may be is said for each user namespace; this one has all ids.
    const outer =
      userNamespaces === undefined
        ? []
        : [
            ...["unshare", ...privateMounts, "sh", "-c", allIds, "all-ids", join(this.directory, "all-ids")],
            ...["env", "NO_NAMESPACES=yes"],
          ];
    const mounter = overlay === undefined ? "" : join(this.directory, "mount");
    const own = ["sh", "-c", without, "without", join(this.directory, "empty"), mounter, programs.join(" ")];
    return [...outer, "unshare", ...privateMounts, ...own, ...line];
  }

  /** Runs `whittle` to its end. */
  async whittle(
    identity: Identity,
    args: readonly string[],
    input?: string,
    { lacking, env }: { readonly lacking?: Lacking; readonly env?: NodeJS.ProcessEnv } = {},
  ): Promise<Ended> {
    const stdio = [input === undefined ? "ignore" : "pipe", "pipe", "pipe"] as const;
    const child = this.spawn(
      identity,
      args,
      { stdio: [...stdio], ...(env === undefined ? {} : { env }) },
      lacking,
    );
    child.stdin?.end(input);
    const out = { stdout: "", stderr: "" };
    child.stdout?.on("data", (chunk: Buffer) => {
      out.stdout += chunk.toString();
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      out.stderr += chunk.toString();
    });
    const [status, signal] = (await once(child, "close")) as [number | null, string | null];
    return { status: status ?? -1, ...out, ...(signal === null ? {} : { stderr: `${out.stderr}${signal}` }) };
  }

  /** What is left of containers: their directories, mounts and processes. */
  async leftovers(): Promise<string[]> {
    const found: string[] = [];
    for (const identity of identities) {
      const home = join(this.directory, identity);
      for (const place of [
        join(home, "run/whittle/containers"),
        join(home, "home/.cache/whittle/run/containers"),
      ]) {
        for (const name of await readdir(place).catch(() => [])) found.push(join(place, name));
      }
    }
    const mounts = await readFile("/proc/self/mountinfo", "utf8");
    found.push(...mounts.split("\n").filter((line) => line.includes(this.directory)));
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      if (line.includes(this.directory)) found.push(line.replaceAll("\0", " "));
    }
    return found;
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  async #makeRoot(): Promise<void> {
    const { rootfs } = this;
    for (const name of ["bin", "etc", "srv", "data"]) await mkdir(join(rootfs, name), { recursive: true });
    await mkdir(join(rootfs, "tmp"));
    await chmod(join(rootfs, "tmp"), 0o1777);
    await copyProgram("busybox", rootfs);
    const applets =
      "sh cat echo env false grep head hostname httpd id kill ls mount ping ps pwd sleep stat touch true tty wc wget";
    for (const name of applets.split(" ")) await symlink("busybox", join(rootfs, "bin", name));
    await writeFile(
      join(rootfs, "etc/passwd"),
      "root:x:0:0:root:/root:/bin/sh\nweb:x:10001:10001::/srv:/bin/sh\n",
    );
    await writeFile(join(rootfs, "etc/group"), "root:x:0:\nweb:x:10001:\nlog:x:44:web\n");
    await writeFile(join(rootfs, "srv/index.html"), "served\n");
    await writeFile(join(rootfs, "srv/not-a-program"), "no\n");
  }

  async #makeCovers(): Promise<void> {
    const real = join(this.directory, "real-mount");
    await copyFile("/usr/bin/mount", real);
    await chmod(real, 0o755);
    const noOverlay = `#!/bin/sh\ncase "$*" in *"-t overlay"*) echo "unknown type overlay" >&2; exit 32;; esac\nexec ${real} "$@"\n`;
    await writeFile(join(this.directory, "mount"), noOverlay, { mode: 0o755 });
    await writeFile(join(this.directory, "all-ids"), "root:0:65536\n");
    await writeFile(join(this.directory, "empty"), "", { mode: 0o644 });
  }

  async #makeHome(identity: Identity): Promise<void> {
    const home = join(this.directory, identity);
    await mkdir(join(home, "home"), { recursive: true });
    await mkdir(join(home, "run"));
    const ids = identity === "subordinate" ? "tester:200000:65536\n" : "";
    await writeFile(
      join(home, "passwd"),
      `root:x:0:0::/root:/bin/sh\ntester:x:${uid}:${uid}::${home}/home:/bin/sh\n`,
    );
    await writeFile(join(home, "group"), `root:x:0:\ntester:x:${uid}:\n`);
    await writeFile(join(home, "subuid"), ids);
    await writeFile(join(home, "subgid"), ids);
    if (identity !== "root") execFileSync("chown", ["-R", `${uid}:${uid}`, join(home, "home")]);
  }
}

/** Copies a program of the machine to /bin of a root, with the libraries that ldd(1) names. */
export async function copyProgram(name: string, rootfs: string): Promise<void> {
  const path = execFileSync("sh", ["-c", `command -v ${name}`], {
    encoding: "utf8",
    env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
  }).trim();
  await copyFile(path, join(rootfs, "bin", name));
  const { stdout } = await new Promise<{ stdout: string }>((resolve) => {
    const child = spawn("ldd", [path], { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.once("close", () => resolve({ stdout: text }));
  });
  for (const [library] of stdout.matchAll(/\/\S+/g)) {
    await mkdir(join(rootfs, dirname(library)), { recursive: true });
    await copyFile(library, join(rootfs, library));
  }
}
