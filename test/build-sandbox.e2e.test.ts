import { execFileSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { driverNames } from "../src/sandbox/index.ts";
import { BuildMachine, contentsOf, printed } from "./build-machine.ts";
import { type Ended, type Identity, identities, type Lacking } from "./sandbox-machine.ts";

let machine: BuildMachine;

beforeAll(async () => {
  machine = await BuildMachine.make();
});

afterAll(async () => {
  const left = await machine.remove();
  expect(left).toEqual([]);
});

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
  const tarOf = (who: Identity): string => machine.file(who, `${identity}-${driver}.tar`);

  it("leave the layers that they leave for root", async () => {
    const build_ = (who: Identity, lacking: Lacking): Promise<Ended> =>
      machine.build(who, lines, { flags: ["-o", `type=tar,dest=${tarOf(who)}`], lacking });
    const ended = await build_(identity, {
      programs: others(driver).concat(driver === "plain" ? ["runc", "crun"] : []),
    });
    expect(ended.status, ended.stderr).toBe(0);
    expect(printed(ended), ended.stderr).toContain("10001:10001");
    const asRoot = await build_("root", {});
    expect(asRoot.status, asRoot.stderr).toBe(0);
    expect(contentsOf(tarOf(identity))).toBe(contentsOf(tarOf("root")));
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

describe("where the cache is on an overlay itself, as in a container", () => {
  it("builds, and lets a person look around, with what commands write in memory", async () => {
    const place = join(machine.sandbox.directory, "overlay");
    for (const name of ["lower", "upper", "work", "merged"])
      await mkdir(join(place, name), { recursive: true });
    const options = `lowerdir=${place}/lower,upperdir=${place}/upper,workdir=${place}/work`;
    execFileSync("mount", ["-t", "overlay", "overlay", "-o", options, join(place, "merged")]);
    try {
      const env = { XDG_CACHE_HOME: join(place, "merged") };
      const tar = machine.file("root", "memory.tar");
      const usual = machine.file("root", "disk.tar");
      const built = await machine.build("root", chain, { flags: ["-o", `type=tar,dest=${tar}`], env });
      expect(built.status, built.stderr).toBe(0);
      const onDisk = await machine.build("root", chain, { flags: ["-o", `type=tar,dest=${usual}`] });
      expect(onDisk.status, onDisk.stderr).toBe(0);
      expect(contentsOf(tar)).toBe(contentsOf(usual));
      const flags = ["--invoke-on-error", "sh"];
      const failed = await machine.build("root", ["RUN echo made > /made; false"], {
        env,
        flags,
        input: "cat /made\n",
      });
      expect(failed.stdout, failed.stderr).toBe("made\n");
    } finally {
      execFileSync("umount", [join(place, "merged")]);
    }
  });
});

describe.concurrent.each(identities)("where the machine lacks something, %s", (identity) => {
  it("builds without overlays, by copying", async () => {
    const tar = machine.file(identity, "copied.tar");
    const usual = machine.file(identity, "overlaid.tar");
    const copied = await machine.build(identity, chain, {
      flags: ["-o", `type=tar,dest=${tar}`],
      lacking: { overlay: true },
    });
    expect(copied.status, copied.stderr).toBe(0);
    expect(printed(copied)).toEqual(["one more y"]);
    const overlaid = await machine.build(identity, chain, { flags: ["-o", `type=tar,dest=${usual}`] });
    expect(overlaid.status, overlaid.stderr).toBe(0);
    expect(contentsOf(tar)).toBe(contentsOf(usual));
  });

  it.skipIf(identity === "root")("is told how to allow user namespaces", async () => {
    const ended = await machine.build(identity, ["RUN true"], { lacking: { userNamespaces: true } });
    expect(ended.status, ended.stderr).toBe(3);
    expect(ended.stderr).toContain("user namespaces are not allowed on this machine");
    expect(ended.stderr).toContain("kernel.unprivileged_userns_clone=1");
  });
});

describe("a user with a single id", () => {
  it("is told why files cannot be given to others", async () => {
    const ended = await machine.build("single", ["RUN chown 5:5 /etc/group"]);
    expect(ended.status).toBe(4);
    expect(ended.stderr).toMatch(/exit status 1/);
    expect(ended.stderr).toContain("usermod --add-subuids 100000-165535");
  });
});

describe("the network of a command", () => {
  const look = "echo '> '$(ip -o link | sed -E 's/^[0-9]+: ([^:@]*).*/\\1/' | sort)";

  it("is its own with a way out, nothing, or the machine's", async () => {
    const ended = await machine.build("root", [
      `RUN ${look}; cat /etc/hosts /etc/resolv.conf`,
      `RUN --network=none ${look}`,
    ]);
    expect(ended.status, ended.stderr).toBe(0);
    expect(printed(ended)).toEqual(["lo tap0", "lo"]);
    expect(ended.stderr).toMatch(/ 127\.0\.0\.1\s+localhost buildkitsandbox$/m);
    expect(ended.stderr).toMatch(/ nameserver /);
  });

  it("is the machine's where no program gives a way out, and a warning says so", async () => {
    const ended = await machine.build("root", [`RUN ${look}`], {
      lacking: { programs: ["slirp4netns", "pasta"] },
    });
    expect(ended.status, ended.stderr).toBe(0);
    expect(printed(ended)).not.toEqual(["lo tap0"]);
    expect(ended.stderr).toContain("commands of the build see the machine's network");
  });

  it("leaves nothing of its files in the layer", async () => {
    const tar = machine.file("root", "network.tar");
    const ended = await machine.build("root", ["RUN true"], { flags: ["-o", `type=tar,dest=${tar}`] });
    expect(ended.status, ended.stderr).toBe(0);
    expect(contentsOf(tar)).not.toMatch(/etc\/(?:hosts|hostname|resolv\.conf)/);
  });
});

describe("rights beyond the usual", () => {
  const insecure = ["RUN --security=insecure mount -t tmpfs none /tmp && echo '> mounted'"];
  const host = ["RUN --network=host true"];

  it.each([
    ["security.insecure", insecure],
    ["network.host", host],
  ])("are there only when %s is allowed", async (name, lines) => {
    const refused = await machine.build("root", lines);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain(`${name} is not allowed`);
    expect(refused.stderr).toContain(`--allow ${name}`);
    const allowed = await machine.build("root", lines, { flags: ["--allow", name] });
    expect(allowed.status, allowed.stderr).toBe(0);
  });

  it("are no others than these", async () => {
    const usual = await machine.build("root", ["RUN mount -t tmpfs none /tmp"]);
    expect(usual.status).toBe(4);
  });
});

describe("what lets a person look around", () => {
  it("is a shell at the terminal that there is", async () => {
    const context = await machine.context(["RUN echo made > /made; false"]);
    // Typed again and again: what comes before the shell is there waits for it, what comes after it is for nobody.
    const commands = "while sleep 1 && printf 'tty; cat /made; exit 5\\r'; do :; done";
    const program = `${process.execPath} ${join(import.meta.dirname, "whittle.ts")}`;
    const store = join(machine.sandbox.directory, "terminal-store");
    const line = `${program} --store ${store} build --invoke-on-error sh ${context}`;
    const shown = execFileSync("sh", ["-c", `${commands} | script -qc "${line}" /dev/null`], {
      encoding: "utf8",
      env: { ...process.env, XDG_CACHE_HOME: machine.file("root", "terminal-cache") },
    });
    expect(shown).toContain("/dev/pts/0");
    expect(shown).toContain("made\r\n");
    expect(shown).toContain("/bin/sh ended with status 5");
  });
});
