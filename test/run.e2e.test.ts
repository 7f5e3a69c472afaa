import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hostPlatform } from "../src/image/index.ts";
import { quietWork } from "../src/io/index.ts";
import { parseProbe, probeAll } from "../src/probe/index.ts";
import { parsePublish, type RunnableImage, reachOf, startContainer } from "../src/sandbox/index.ts";
import { copyProgram, type Ended, SandboxMachine } from "./sandbox-machine.ts";

let machine: SandboxMachine;
let web: RunnableImage;

const nginxConf = `daemon off;
pid /tmp/nginx.pid;
error_log stderr;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c; uwsgi_temp_path /tmp/d;
  scgi_temp_path /tmp/e;
  server { listen 8080; location / { default_type application/json; return 200 '{"ok":true}'; } }
}
`;

beforeAll(async () => {
  machine = await SandboxMachine.make();
  const rootfs = join(machine.directory, "web");
  for (const name of ["bin", "etc", "tmp", "var/lib/nginx", "var/log/nginx"]) {
    await mkdir(join(rootfs, name), { recursive: true });
  }
  // runc gives a tmpfs the mode of the directory below it, whatever the options say.
  await chmod(join(rootfs, "tmp"), 0o1777);
  await copyProgram("nginx", rootfs);
  await copyProgram("busybox", rootfs);
  await writeFile(join(rootfs, "etc/nginx.conf"), nginxConf);
  const config = {
    User: "10001",
    Entrypoint: ["/bin/nginx", "-c", "/etc/nginx.conf"],
    StopSignal: "SIGQUIT",
    Healthcheck: {
      Test: ["CMD", "/bin/busybox", "wget", "-qO-", "http://127.0.0.1:8080/"],
      Interval: 2e8,
    },
  };
  web = { name: "web", platform: hostPlatform(), config, rootfs };
});

afterAll(async () => {
  const left = await machine.leftovers();
  await machine.remove();
  expect(left).toEqual([]);
});

const whittle = (...args: string[]): Promise<Ended> =>
  machine.whittle("root", ["--progress", "quiet", ...args]);

describe("startContainer", () => {
  it("serves under load without an error, is found healthy, and stops by its own signal", async () => {
    const environment = { ...process.env, XDG_RUNTIME_DIR: join(machine.directory, "root/run") };
    const container = await startContainer(
      web,
      {
        publish: parsePublish("127.0.0.1:0:8080"),
        readOnly: true,
        tmpfs: [{ destination: "/tmp", options: [] }],
        remove: true,
      },
      { streams: { stdin: "ignore", output: () => undefined }, work: quietWork, environment },
    );
    const probes = ["http:/", "tcp:8080", "exec:/bin/busybox true"].map((text) => parseProbe(text));
    const results = await probeAll(probes, reachOf(container.state(), environment), quietWork);
    expect(results.filter(({ ok }) => !ok)).toEqual([]);

    const address = `http://127.0.0.1:${container.ports[0]?.hostPort}/`;
    const load = execFileSync("wrk", ["-t1", "-c32", "-d5s", address], { encoding: "utf8" });
    expect(load).not.toMatch(/Socket errors|Non-2xx/);
    const [, count] = /(\d+) requests in/.exec(load) ?? [];
    expect(Number(count)).toBeGreaterThan(100);

    while (container.state().health?.status === "starting") await delay(20);
    expect(container.state().health?.status).toBe("healthy");
    expect(await container.stop()).toBe(0);
  });

  it("kills the container when the work is aborted", async () => {
    const controller = new AbortController();
    const environment = { ...process.env, XDG_RUNTIME_DIR: join(machine.directory, "root/run") };
    const container = await startContainer(
      { ...web, config: {}, rootfs: machine.rootfs },
      { command: ["/bin/sleep", "1000"], remove: true },
      {
        streams: { stdin: "ignore", output: () => undefined },
        work: { ...quietWork, signal: controller.signal },
        environment,
      },
    );
    controller.abort();
    expect(await container.exited).toBe(137);
  });
});

describe("whittle run", () => {
  const image = (): string => `rootfs:${machine.rootfs}`;

  it("lets containers of a pod find each other by name", async () => {
    const served = await whittle(
      "run",
      "-d",
      "--pod",
      "p",
      "--name",
      "server",
      image(),
      "/bin/httpd",
      "-f",
      "-p",
      "8080",
      "-h",
      "/srv",
    );
    expect(served.status).toBe(0);
    const asked = await whittle(
      "run",
      "--rm",
      "--pod",
      "p",
      image(),
      "/bin/wget",
      "-qO-",
      "http://server:8080/index.html",
    );
    expect(asked).toEqual({ status: 0, stdout: "served\n", stderr: "" });
    expect((await whittle("rm", "-f", "server")).stdout).toBe("server\n");
  });

  it("puts a reaper at PID 1", async () => {
    const { stdout } = await whittle(
      "run",
      "--rm",
      "--init",
      image(),
      "/bin/sh",
      "-c",
      "cat /proc/1/comm; echo $$",
    );
    expect(stdout).toMatch(/^docker-init\n[2-9]\n$/);
  });

  it("limits memory by control groups", async () => {
    const eat = "head -c 100000000 /dev/zero | busybox tail > /dev/null; echo survived";
    const free = await whittle("run", "--rm", image(), "/bin/sh", "-c", eat);
    expect(free.stdout).toBe("survived\n");
    const tight = await whittle("run", "--rm", "-m", "16m", image(), "/bin/sh", "-c", `exec ${eat}`);
    expect(tight.status === 0 && tight.stderr === "").toBe(false);
  });

  it("gives a terminal", async () => {
    const { status, stdout } = await whittle("run", "--rm", "-t", image(), "/bin/tty");
    expect({ status, tty: stdout.includes("/dev/") }).toEqual({ status: 0, tty: true });
    const refused = await whittle("run", "--rm", "-it", image(), "/bin/tty");
    expect(refused.status).toBe(2);
  });

  it("finds an occupied port out before anything starts", async () => {
    const first = await whittle(
      "run",
      "-d",
      "--name",
      "first",
      "-p",
      "127.0.0.1:0:80",
      image(),
      "/bin/sleep",
      "100",
    );
    const [, port] = /:(\d+)->/.exec(first.stderr) ?? [];
    const second = await whittle("run", "--rm", "-p", `127.0.0.1:${port}:80`, image(), "/bin/true");
    expect(second.status).toBe(3);
    expect(second.stderr).toMatch(
      /^whittle: Cannot publish 127\.0\.0\.1:\d+: another program listens there\nhint: /,
    );
    await whittle("rm", "-f", "first");
  });

  it("says how to get an emulator for a foreign platform", async () => {
    const foreign = hostPlatform().architecture === "s390x" ? "linux/ppc64le" : "linux/s390x";
    const { status, stderr } = await whittle("run", "--rm", "--platform", foreign, image(), "/bin/true");
    expect(status).toBe(3);
    expect(stderr).toMatch(/no emulator registered for it\nhint: apt-get install qemu-user-static/);
  });

  it("can clear up after a supervisor that was killed", async () => {
    const child = machine.spawn(
      "root",
      [
        "run",
        "--progress",
        "quiet",
        "--name",
        "orphan",
        image(),
        "/bin/sh",
        "-c",
        "echo up; exec sleep 1000",
      ],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    await once(child.stdout!, "data");
    while (!(await whittle("ps")).stdout.includes("orphan")) await delay(20);
    child.kill("SIGKILL");
    await once(child, "exit");
    child.stdout!.destroy();
    expect((await whittle("ps")).stdout).toContain("orphan");
    expect((await whittle("rm", "-f", "orphan")).status).toBe(0);
    expect((await whittle("ps", "-a", "-q")).stdout).toBe("");
  });
});

describe("whittle doctor", () => {
  it("tells what it found, and what would help", async () => {
    const { status, stdout } = await whittle("doctor", "--format", "json");
    const { ready, findings } = JSON.parse(stdout) as {
      ready: boolean;
      findings: { topic: string; status: string; found: string }[];
    };
    expect({ status, ready }).toEqual({ status: 0, ready: true });
    expect(findings.map(({ topic }) => topic)).toEqual(
      expect.arrayContaining([
        "node",
        "store",
        "cache",
        "runc",
        "crun",
        "plain",
        "user namespaces",
        "overlay file system",
        "control groups",
        "way out of networks",
        "linux/arm64",
      ]),
    );
    expect(findings.find(({ topic }) => topic === "runc")?.found).toMatch(/runc [0-9.]+.*used/);
  });
});
