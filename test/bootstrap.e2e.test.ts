import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openImage, readTree } from "../src/image/index.ts";
import { quietWork, readText } from "../src/io/index.ts";
import { openStore, unpackedLayersDirectory } from "../src/store/index.ts";
import type { Entry, Tree } from "../src/tree/index.ts";
import { type Finished, temporary, whittle } from "./program.ts";
import { SandboxMachine } from "./sandbox-machine.ts";

let directory = "";
let store = "";
let built: Finished;

beforeAll(async () => {
  directory = temporary();
  store = join(directory, "store");
  // What it is compared with asks the archive as well, and the archive may have changed within the hour.
  built = await whittle(store, ["bootstrap", "trixie", "--pull", "-t", "debian:trixie-slim"]);
  expect(built.status, built.stderr).toBe(0);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function treeOf(name: string): Promise<Tree> {
  const opened = await openStore(store);
  const image = await openImage(opened, (await opened.resolve(name))!, {
    os: "linux",
    architecture: "amd64",
  });
  return readTree(image, { unpacked: unpackedLayersDirectory(store), work: quietWork });
}

async function textOf(tree: Tree, path: string): Promise<string> {
  const { entry } = tree.resolve(path);
  return entry?.type === "file" ? readText(entry.content) : "";
}

/** Builds a Dockerfile that consists of `FROM debian:trixie-slim` and one RUN; answers with what it printed. */
async function runIn(script: string): Promise<Finished> {
  const context = join(directory, "context");
  mkdirSync(context, { recursive: true });
  writeFileSync(join(context, "Dockerfile"), `FROM debian:trixie-slim\nRUN ${script}\n`);
  return whittle(store, ["build", context, "--no-cache"]);
}

describe("a bootstrapped system", () => {
  it("has the packages, records and files of mmdebstrap's minbase, documentation left out", async () => {
    const other = join(directory, "minbase");
    mkdirSync(other);
    execFileSync("mmdebstrap", ["--quiet", "--variant=minbase", "trixie", `${other}.tar`], { stdio: "pipe" });
    execFileSync("tar", ["-C", other, "-xf", `${other}.tar`, "--exclude=./dev/*"]);
    const tree = await treeOf("debian:trixie-slim");
    const sorted = (text: string): string[] => text.split("\n").sort();
    const theirs = (path: string): string => readFileSync(join(other, path), "utf8");
    expect(sorted(await textOf(tree, "/var/lib/dpkg/status"))).toEqual(sorted(theirs("var/lib/dpkg/status")));
    for (const path of ["/etc/passwd", "/etc/group", "/etc/pam.d/common-auth", "/etc/ld.so.cache"]) {
      expect(await textOf(tree, path), path).toBe(theirs(path));
    }
    const listed = execFileSync("find", [".", "-printf", "%P %y %m %U:%G %l\n"], {
      cwd: other,
      encoding: "utf8",
    });
    const wanted = listed
      .split("\n")
      .filter((line) => line !== "" && !differs.test(`/${line.split(" ")[0]}`));
    const ours = [...tree.entries()].map(([path, entry]) => line(path, entry));
    const found = ours.filter((one) => !differs.test(`/${one.split(" ")[0]}`));
    expect(found.sort()).toEqual(
      wanted
        .filter((one) => !one.startsWith(" "))
        .map((one) => one.trimEnd())
        .sort(),
    );
  });

  it("comes to the same digest on another day, in an empty store, for an ordinary user", async () => {
    const again = await whittle(join(directory, "again"), ["bootstrap", "trixie", "--no-cache"]);
    expect(again.stdout, again.stderr).toBe(built.stdout);
    const machine = await SandboxMachine.make("dist/whittle.js");
    try {
      const theirs = await machine.whittle("subordinate", ["bootstrap", "trixie", "--progress", "quiet"]);
      expect(theirs.stdout, theirs.stderr).toBe(built.stdout);
    } finally {
      await machine.remove();
    }
  });

  it("has an apt that works and that leaves neither downloads nor documentation behind", async () => {
    const { status, stderr } = await runIn(
      "apt-get update -q && apt-get install -yq --no-install-recommends tini && tini --version && dpkg --audit && " +
        "ls /var/cache/apt/archives/*.deb /usr/share/doc/tini/* || true",
    );
    expect(status, stderr).toBe(0);
    expect(stderr).toContain("tini version");
    expect(stderr).toContain("/usr/share/doc/tini/copyright");
    expect(stderr).not.toMatch(/\.deb$|changelog/m);
  });

  it("starts no services and knows its users", async () => {
    const { status, stderr } = await runIn(
      "/usr/sbin/policy-rc.d; echo status=$?; id -un; getent passwd _apt; stat -c %U:%G /etc/shadow; apt-get check",
    );
    expect(status, stderr).toBe(0);
    expect(stderr.replaceAll(/^#\d+ [\d.]+ /gm, "")).toMatch(
      /status=101\nroot\n_apt:x:42:65534::.*\nroot:shadow\n/,
    );
  });

  it("takes further packages as apt would install them", async () => {
    const words = ["bootstrap", "trixie", "--include", "python3-minimal,netbase", "-t", "python:1"];
    const { status, stderr } = await whittle(store, words);
    expect(status, stderr).toBe(0);
    const tree = await treeOf("python:1");
    expect(await textOf(tree, "/var/lib/dpkg/status")).not.toMatch(/^Status: (?!install ok installed)/m);
    const states = await textOf(tree, "/var/lib/apt/extended_states");
    expect(states).toMatch(/^Package: libpython3\.\d+-minimal$/m);
    expect(states).not.toMatch(/^Package: (?:python3-minimal|netbase)$/m);
    const ran = await whittle(store, ["run", "--rm", "python:1", "python3", "-c", "print(6 * 7)"]);
    expect(ran.stdout, ran.stderr).toBe("42\n");
  });

  it("says what is missing where a platform's programs cannot run", async () => {
    if (existsSync("/proc/sys/fs/binfmt_misc/qemu-s390x")) return;
    const { status, stderr } = await whittle(store, ["bootstrap", "trixie", "--platform", "linux/s390x"]);
    expect(status).toBe(3);
    expect(stderr).toMatch(/Cannot run .*: it is for linux\/s390x, .* no emulator/);
    expect(stderr).toContain("hint: apt-get install qemu-user-static binfmt-support");
  });

  it("refuses a suite that is not there", async () => {
    const { status, stderr } = await whittle(store, ["bootstrap", "trixy"]);
    expect(status).not.toBe(0);
    expect(stderr).toContain('Cannot find the suite "trixy"');
  });
});

/** Where the two differ on purpose. */
const differs = new RegExp(
  [
    // Documentation, and links that lead to it.
    "^/usr/share/(?:doc|info|lintian|locale|man)(?:/|$)",
    "^/etc/alternatives/.*\\.\\d\\.gz$|^/etc/alternatives/which\\.",
    "^/var/lib/dpkg/alternatives/builtins\\.7\\.gz$",
    // mmdebstrap takes over what the machine has, and leaves traces of its work.
    "^/etc/(?:hostname|resolv\\.conf|fstab|passwd-|group-|apt/sources\\.list)$",
    "^/var/lib/dpkg/(?:lock.*|.*-old|arch|triggers/Lock)$",
    "^/var/cache/debconf/.*-old$",
    "^/var/cache/apt/archives/(?:lock|partial)$",
    "^/var/lib/apt/(?:lists|mirrors)(?:/|$)",
    "^/(?:dev|proc|sys)(?:/|$)",
    // What makes it fit for containers.
    "^/etc/(?:apt/apt\\.conf\\.d|dpkg/dpkg\\.cfg\\.d)/docker",
    "^/usr/sbin/policy-rc\\.d$|^/etc/apt/sources\\.list\\.d/debian\\.sources$",
  ].join("|"),
);

/** As `find -printf '%P %y %m %U:%G %l'` has it. */
function line(path: string, entry: Entry): string {
  const type = entry.type === "symlink" ? "l" : entry.type === "directory" ? "d" : "f";
  const target = entry.type === "symlink" ? entry.target : "";
  return `${path.slice(1)} ${type} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid} ${target}`.trimEnd();
}
