import { execFileSync } from "node:child_process";
import { chmod, cp, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { driverNames } from "../src/sandbox/index.ts";
import { type Ended, type Identity, identities, type Lacking, SandboxMachine } from "./sandbox-machine.ts";

let machine: SandboxMachine;
let base = "";
let number = 0;

beforeAll(async () => {
  machine = await SandboxMachine.make();
  base = join(machine.directory, "base");
  await cp(machine.rootfs, base, { recursive: true, verbatimSymlinks: true });
  const applets = "chmod chown cp find ip ln mkdir mkfifo rm sed sort test";
  for (const name of applets.split(" ")) await symlink("busybox", join(base, "bin", name));
});

afterAll(async () => {
  const left = await machine.leftovers();
  await machine.remove();
  expect(left).toEqual([]);
});

/** Builds a Dockerfile over a small base; the context has the base's files in `base`. */
async function build(
  identity: Identity,
  lines: readonly string[],
  flags: readonly string[] = [],
  lacking: Lacking = {},
): Promise<Ended> {
  const context = join(machine.directory, `context-${number++}`);
  await mkdir(context);
  await chmod(context, 0o755);
  await cp(base, join(context, "base"), { recursive: true, verbatimSymlinks: true });
  await writeFile(join(context, "Dockerfile"), ["FROM scratch", "COPY base /", ...lines, ""].join("\n"));
  return machine.whittle(
    identity,
    ["build", "--progress", "plain", "--no-cache", ...flags, context],
    undefined,
    {
      lacking,
    },
  );
}

/** The lines of a build's output that a command printed. */
function printed({ stderr }: Ended): string[] {
  return stderr
    .split("\n")
    .filter((line) => line.startsWith("> "))
    .map((line) => line.slice(2));
}

/** What is in the layers of an image that was built into a directory, without times. */
function contents(tar: string): string {
  return execFileSync("tar", ["-tvf", tar, "--numeric-owner", "--xattrs"], { encoding: "utf8" }).replace(
    / \d{4}-\d\d-\d\d \d\d:\d\d /g,
    " ",
  );
}

const others = (driver: string): string[] =>
  driverNames.filter((name) => name !== driver && name !== "plain");

// Everything that a layer can hold, all in one.
const everything = [
  "RUN echo one > /one && ln /one /two && chmod 4755 /bin/busybox && mkdir -p /a/b/c && echo x > /a/b/c/x && mkfifo /fifo",
  "RUN rm -r /a/b && mkdir /a/b && echo y > /a/b/y && ln -s /one /link",
  "RUN test ! -e /a/b/c && test -u /bin/busybox && echo more >> /two && cat /one",
  "COPY base/etc /a/b",
  "RUN rm -r /a/b/group /srv && test -e /a/b/y",
  "USER web",
  "RUN test ! -e /srv && id && echo mine > /tmp/mine && echo '> '$(stat -c %u:%g /tmp/mine)",
];
const owners = ["USER root", "RUN chown 10001:44 /two && chown -h 7:8 /link && mkdir /d && chown 65534 /d"];

describe.concurrent.each(
  identities.flatMap((identity) => driverNames.map((driver) => ({ identity, driver }))),
)("a build's commands run by $driver as $identity", ({ identity, driver }) => {
  const lines = identity === "single" ? everything : [...everything, ...owners];
  const tarOf = (who: string): string =>
    join(machine.directory, who, "home", `${driver}-${lines.length}.tar`);

  it("leave the layers that they leave for root", async () => {
    const build_ = (who: Identity, lacking: Lacking): Promise<Ended> =>
      build(who, lines, ["-o", `type=tar,dest=${tarOf(who)}`], lacking);
    const ended = await build_(identity, {
      programs: others(driver).concat(driver === "plain" ? ["runc", "crun"] : []),
    });
    expect(ended.status, ended.stderr).toBe(0);
    expect(printed(ended), ended.stderr).toContain("10001:10001");
    const asRoot = await build_("root", {});
    expect(asRoot.status, asRoot.stderr).toBe(0);
    expect(contents(tarOf(identity))).toBe(contents(tarOf("root")));
  });
});

/** Steps that each need what the one before left. */
const chain = [
  "RUN echo one > /one && mkdir /d && echo x > /d/x",
  "RUN rm -r /d && mkdir /d && echo y > /d/y && echo more >> /two",
  "COPY base/etc /d",
  "RUN test ! -e /d/x && rm /d/group && chmod 700 /d",
  "RUN echo '> '$(cat /one /two /d/y) && ls /d && test ! -e /d/group",
];

describe.concurrent.each(identities)("where the machine lacks something, %s", (identity) => {
  it("builds without overlays, by copying", async () => {
    const tar = join(machine.directory, identity, "home", "copied.tar");
    const usual = join(machine.directory, identity, "home", "overlaid.tar");
    const copied = await build(identity, chain, ["-o", `type=tar,dest=${tar}`], { overlay: true });
    expect(copied.status, copied.stderr).toBe(0);
    expect(printed(copied)).toEqual(["one more y"]);
    const overlaid = await build(identity, chain, ["-o", `type=tar,dest=${usual}`]);
    expect(overlaid.status, overlaid.stderr).toBe(0);
    expect(contents(tar)).toBe(contents(usual));
  });

  it.skipIf(identity === "root")("is told how to allow user namespaces", async () => {
    const ended = await build(identity, ["RUN true"], [], { userNamespaces: true });
    expect(ended.status, ended.stderr).toBe(3);
    expect(ended.stderr).toContain("user namespaces are not allowed on this machine");
    expect(ended.stderr).toContain("kernel.unprivileged_userns_clone=1");
  });
});

describe("a user with a single id", () => {
  it("is told why files cannot be given to others", async () => {
    const ended = await build("single", ["RUN chown 5:5 /etc/group"]);
    expect(ended.status).toBe(4);
    expect(ended.stderr).toMatch(/exit status 1/);
    expect(ended.stderr).toContain("usermod --add-subuids 100000-165535");
  });
});

describe("the network of a command", () => {
  const look = "echo '> '$(ip -o link | sed -E 's/^[0-9]+: ([^:@]*).*/\\1/' | sort)";

  it("is its own with a way out, nothing, or the machine's", async () => {
    const ended = await build("root", [
      `RUN ${look}; cat /etc/hosts /etc/resolv.conf`,
      `RUN --network=none ${look}`,
    ]);
    expect(ended.status, ended.stderr).toBe(0);
    expect(printed(ended)).toEqual(["lo tap0", "lo"]);
    expect(ended.stderr).toMatch(/^127\.0\.0\.1\s+localhost$/m);
    expect(ended.stderr).toMatch(/^nameserver /m);
  });

  it("is the machine's where no program gives a way out, and a warning says so", async () => {
    const ended = await build("root", [`RUN ${look}`], [], { programs: ["slirp4netns", "pasta"] });
    expect(ended.status, ended.stderr).toBe(0);
    expect(printed(ended)).not.toEqual(["lo tap0"]);
    expect(ended.stderr).toContain("commands of the build see the machine's network");
  });

  it("leaves nothing of its files in the layer", async () => {
    const tar = join(machine.directory, "root", "home", "network.tar");
    const ended = await build("root", ["RUN true"], ["-o", `type=tar,dest=${tar}`]);
    expect(ended.status, ended.stderr).toBe(0);
    expect(contents(tar)).not.toMatch(/etc\/(?:hosts|hostname|resolv\.conf)/);
  });
});
