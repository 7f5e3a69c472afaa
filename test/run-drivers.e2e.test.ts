import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { driverNames } from "../src/sandbox/index.ts";
import { type Ended, identities, SandboxMachine } from "./sandbox-machine.ts";

let machine: SandboxMachine;
let tries = 0;

beforeAll(async () => {
  machine = await SandboxMachine.make();
});

afterAll(async () => {
  const left = await machine.leftovers();
  await machine.remove();
  expect(left).toEqual([]);
});

// One contract for all ways to run a container and for everybody who may run one.
const cases = identities.flatMap((identity) => driverNames.map((driver) => ({ identity, driver })));

describe.concurrent.each(cases)("a container run by $driver as $identity", ({ identity, driver }) => {
  const image = (): string => `rootfs:${machine.rootfs}`;
  /** With a single id, the OCI runtimes can give a program no other one than root's. */
  const manyUsers = identity !== "single" || driver === "plain";

  const run = (flags: readonly string[], command: readonly string[], input?: string): Promise<Ended> =>
    machine.whittle(
      identity,
      ["run", "--progress", "quiet", "--rm", "--driver", driver, ...flags, image(), ...command],
      input,
    );
  const shell = (script: string, ...flags: string[]): Promise<Ended> => run(flags, ["/bin/sh", "-c", script]);
  /** What a script that has to succeed writes. */
  const output = async (script: string, ...flags: string[]): Promise<string> => {
    const ended = await shell(script, ...flags);
    expect(ended.status, ended.stderr).toBe(0);
    return ended.stdout;
  };

  it("gives the program's streams and exit status", async () => {
    const ended = await run(["-i"], ["/bin/sh", "-c", "cat; echo problem >&2; exit 42"], "typed\n");
    expect(ended).toEqual({ status: 42, stdout: "typed\n", stderr: "problem\n" });
  });

  it("makes it PID 1 with a clean environment, a name and hosts of its own", async () => {
    const stdout = await output(
      "echo $$; hostname; cat /etc/hostname; env; grep -c `hostname` /etc/hosts; pwd",
      "--hostname",
      "box",
      "-e",
      "A=b c",
      "-w",
      "/srv",
    );
    const lines = stdout.trim().split("\n");
    expect(lines.slice(0, 3)).toEqual(["1", "box", "box"]);
    expect(
      lines
        .slice(3, -2)
        .filter((line) => !/^(SHLVL|PWD)=/.test(line))
        .sort(),
    ).toEqual([
      "A=b c",
      "HOME=/root",
      "HOSTNAME=box",
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]);
    expect(lines.slice(-2)).toEqual(["1", "/srv"]);
  });

  it("confines it", async () => {
    const stdout = await output(`
      grep -E '^(CapBnd|CapEff|NoNewPrivs|Seccomp):' /proc/self/status
      head -c 1 /proc/kcore | wc -c
      (echo x > /proc/sys/kernel/domainname) 2>/dev/null || echo "/proc/sys is read-only"
      mount -t tmpfs tmpfs /tmp 2>/dev/null || echo "no mount"
      ls /proc | grep -c '^[0-9]'`);
    const lines = stdout.trim().split(/\s*\n\s*/);
    // Docker's 14 capabilities: chown(0) dac_override fowner fsetid kill setgid setuid setpcap net_bind_service
    // net_raw sys_chroot mknod audit_write setfcap.
    expect(lines).toContain("CapBnd:\t00000000a80425fb");
    expect(lines).toContain("CapEff:\t00000000a80425fb");
    expect(lines).toContain("NoNewPrivs:\t1");
    expect(lines).toContain(driver === "plain" ? "Seccomp:\t0" : "Seccomp:\t2");
    expect(lines).toContain("/proc/sys is read-only");
    expect(lines).toContain("no mount");
    expect(lines[4]).toBe("0");
    expect(Number(lines.at(-1))).toBeLessThan(8);
  });

  it("adds and drops capabilities", async () => {
    const script = "grep CapBnd /proc/self/status";
    expect(await output(script, "--cap-drop", "ALL")).toBe("CapBnd:\t0000000000000000\n");
    const some = await output(script, "--cap-drop", "all", "--cap-add", "NET_BIND_SERVICE");
    expect(some).toBe("CapBnd:\t0000000000000400\n");
  });

  it.runIf(manyUsers)("runs as a user of the image, with its groups and no capabilities", async () => {
    const stdout = await output(
      "id; grep CapEff /proc/self/status; touch /tmp/mine; stat -c '%u:%g' /tmp/mine",
      "-u",
      "web",
    );
    const lines = stdout.trim().split("\n");
    expect(lines[0]).toMatch(/^uid=10001\(web\) gid=10001\(web\)/);
    // Who has a single id has no groups to give.
    expect(lines[0]?.includes("44(log)")).toBe(identity !== "single");
    expect(lines.slice(1)).toEqual(["CapEff:\t0000000000000000", "10001:10001"]);
  });

  it("keeps what is written out of the image", async () => {
    const before = await readdir(join(machine.rootfs), { recursive: true });
    const first = await output("touch /new && rm /srv/index.html 2>/dev/null || true; ls /new /dev/null");
    expect(first).toBe("/dev/null\n/new\n");
    const second = await shell("ls /new /srv/index.html");
    expect(second.stdout, second.stderr).toBe("/srv/index.html\n");
    expect(await readdir(join(machine.rootfs), { recursive: true })).toEqual(before);
  });

  it("makes its files read-only, but for memory and volumes", async () => {
    const volume = join(machine.directory, identity, "home", `volume-${driver}`);
    await mkdir(volume, { recursive: true });
    await writeFile(join(volume, "given"), "given\n");
    const stdout = await output(
      `touch /x 2>/dev/null || echo "root is read-only"
       touch /tmp/x && echo "memory is not"
       cat /data/given
       touch /data/x 2>/dev/null || echo "the volume is read-only"
       cat /one`,
      "--read-only",
      "--tmpfs",
      "/tmp:size=1m,mode=1777",
      "-v",
      `${volume}:/data:ro`,
      "-v",
      `${volume}/given:/one`,
    );
    expect(stdout.trim().split("\n")).toEqual([
      "root is read-only",
      "memory is not",
      "given",
      "the volume is read-only",
      "given",
    ]);
  });

  it("does not follow the image's links out of it", async () => {
    const outside = join(machine.directory, `outside-${identity}-${driver}`);
    const hostile = join(machine.directory, `hostile-${identity}-${driver}`);
    await mkdir(outside, { mode: 0o777 });
    await mkdir(join(hostile, "bin"), { recursive: true });
    for (const name of await readdir(join(machine.rootfs, "bin"))) {
      await (name === "busybox"
        ? writeFile(join(hostile, "bin", name), await readFile(join(machine.rootfs, "bin", name)), {
            mode: 0o755,
          })
        : symlink("busybox", join(hostile, "bin", name)));
    }
    for (const name of ["etc", "dev", "sys", "data"]) await symlink(outside, join(hostile, name));
    await symlink(`../../../../../../..${outside}`, join(hostile, "proc"));
    await machine.whittle(identity, [
      "run",
      "--rm",
      "--driver",
      driver,
      "--tmpfs",
      "/data/x",
      `rootfs:${hostile}`,
      "/bin/true",
    ]);
    expect(await readdir(outside)).toEqual([]);
  });

  it("has a network of its own, whose loopback interface is up", async () => {
    const script = "grep -c : /proc/net/dev; ping -c 1 -W 1 127.0.0.1 | grep -c ' 0% packet'";
    const alone = await output(script, "--network", "none");
    expect(alone).toBe("1\n1\n");
    // Beside loopback there is the way out.
    const connected = await output(script);
    expect(connected).toBe("2\n1\n");
  });

  it("says what cannot be started", async () => {
    const absent = await run([], ["/bin/absent"]);
    expect(absent.status).toBe(4);
    expect(absent.stderr).toMatch(/Cannot start "\/bin\/absent" in rootfs:.*\nhint: whittle tree/);
    const text = await run([], ["/srv/not-a-program"]);
    expect(text.status).toBe(4);
    expect(text.stderr).toMatch(/hint: the file must be executable/);
    const user = await run(["-u", "nobody-knows"], ["/bin/true"]);
    expect(user.status).toBe(2);
    expect(user.stderr).toMatch(/\/etc\/passwd of the image does not name it\nhint: it names root, web/);
  });

  it("gets the signals that whittle gets, and tells by which one it died", async () => {
    const script = 'trap "echo asked; exit 9" TERM; echo ready; while :; do sleep 0.05; done';
    const child = machine.spawn(
      identity,
      ["run", "--progress", "quiet", "--rm", "--driver", driver, image(), "/bin/sh", "-c", script],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const written = once(child.stdout!, "data").then(([chunk]) => String(chunk));
    let rest = "";
    expect(await written).toBe("ready\n");
    child.stdout!.on("data", (chunk: Buffer) => {
      rest += chunk.toString();
    });
    child.kill("SIGTERM");
    const [status] = (await once(child, "close")) as [number];
    expect({ rest, status }).toEqual({ rest: "asked\n", status: 9 });
    expect((await shell("kill -9 $$; (sleep 0.1; true) & kill -SEGV 1; sleep 1; exit 3")).status).toBe(3);
  });

  it("goes on alone, answers its port, takes commands, stops and is gone", async () => {
    // Another one when it is tried again, because the first may be there still.
    const name = `web-${identity}-${driver}-${tries++}`;
    const flags = ["run", "--progress", "quiet", "-d", "--name", name, "--driver", driver];
    const serve = ["/bin/httpd", "-f", "-v", "-p", "8080", "-h", "/srv"];
    const shown = async (...words: string[]): Promise<unknown> => {
      const { stdout } = await whittle(...words, "--format", "json");
      return (JSON.parse(stdout) as { name: string }[]).find((state) => state.name === name);
    };
    const whittle = (...args: string[]): Promise<Ended> => machine.whittle(identity, args);
    const started = await whittle(
      ...flags,
      "-p",
      "127.0.0.1:0:8080",
      "--read-only",
      "--stop-signal",
      "INT",
      image(),
      ...serve,
    );
    expect(started.stdout).toMatch(/^[0-9a-f]{64}\n$/);
    const [, port] = /127\.0\.0\.1:(\d+)->8080\/tcp/.exec(started.stderr) ?? [];
    const address = `http://127.0.0.1:${port}/index.html`;
    // On a busy machine the server may take longer to listen than a connection waits for it.
    let served: string | undefined;
    while (served === undefined) {
      served = await fetch(address)
        .then((response) => response.text())
        .catch(() => undefined);
    }
    expect(served).toBe("served\n");

    expect(await shown("ps")).toMatchObject({
      name,
      driver,
      status: "running",
      ports: [{ hostPort: Number(port) }],
    });
    expect(await whittle("exec", "-e", "A=1", name, "/bin/sh", "-c", "echo $A; exit 7")).toEqual({
      status: 7,
      stdout: "1\n",
      stderr: "",
    });
    expect((await whittle("exec", name, "/bin/absent")).status).toBe(127);
    const taken = await whittle(...flags, image(), ...serve);
    expect(taken.status).toBe(2);
    expect(taken.stderr).toContain(`whittle rm -f ${name}`);
    expect((await whittle("rm", name)).status).toBe(2);

    expect((await whittle("stop", "-t", "1", name)).stdout).toBe(`${name}\n`);
    expect(await shown("ps", "-a")).toMatchObject({ name, status: "exited", pid: null });
    expect((await whittle("logs", name)).stderr).toMatch(/^\[.*response:200\n$/);
    expect((await whittle("rm", name)).status).toBe(0);
    expect(existsSync(join(machine.directory, identity, "home/.cache/whittle/run/containers", name))).toBe(
      false,
    );
  });
});
