import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copyProgram, type Ended, identities, SandboxMachine } from "./sandbox-machine.ts";

let machine: SandboxMachine;
/** Something outside of all containers, at an address of this machine that is not loopback. */
let outside: Server;
let address = "";

beforeAll(async () => {
  machine = await SandboxMachine.make("dist/whittle.js");
  await copyProgram("perl", machine.rootfs);
  outside = createServer((_, response) => response.end("outside\n"));
  outside.listen(0, "0.0.0.0");
  await once(outside, "listening");
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const own = all.find(({ family, internal }) => family === "IPv4" && !internal);
  if (own === undefined) throw new Error("this machine has no address but loopback");
  address = `${own.address}:${(outside.address() as AddressInfo).port}`;
});

afterAll(async () => {
  outside.close();
  const left = await machine.leftovers();
  await machine.remove();
  expect(left).toEqual([]);
});

const image = (): string => `rootfs:${machine.rootfs}`;

/** Asks until the answer is as wanted, or the patience ends; the last answer is given. */
async function eventually<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  const end = performance.now() + 300_000;
  for (;;) {
    const answer = await ask();
    if (wanted(answer) || performance.now() > end) return answer;
    await delay(50);
  }
}

interface Listed {
  readonly name: string;
  readonly pod: string | null;
  readonly status: string;
  readonly health: string | null;
  readonly exitCode: number | null;
  readonly restarts: number;
  readonly pid: number;
  readonly mounts: readonly { readonly source: string; readonly anonymous?: boolean }[];
  readonly ports: readonly { readonly hostPort: number; readonly containerPort: number }[];
}

describe.concurrent.each(identities)("containers of %s", (identity) => {
  const whittle = (...args: string[]): Promise<Ended> =>
    machine.whittle(identity, ["--progress", "quiet", ...args]);
  const start = async (flags: readonly string[], ...command: string[]): Promise<void> => {
    const { status, stderr } = await whittle("run", "-d", ...flags, image(), ...command);
    expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
  };
  const shell = (name: string, script: string): Promise<Ended> =>
    whittle("exec", name, "/bin/sh", "-c", script);
  const list = async (): Promise<Listed[]> =>
    JSON.parse((await whittle("ps", "-a", "--format", "json")).stdout) as Listed[];
  const named = async (name: string): Promise<Listed | undefined> =>
    (await list()).find((one) => one.name === name);
  const serve = (port: number): string[] => ["/bin/httpd", "-f", "-p", String(port), "-h", "/srv"];
  const ask = async (port: number | undefined): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}/index.html`)).text();
  const portOf = async (name: string): Promise<number | undefined> => (await named(name))?.ports[0]?.hostPort;

  it("find each other by name in a pod, publish ports, and do not meet another pod", async () => {
    const hosts = "cat /etc/hosts";
    await start(["--pod", "one", "--name", "a1", "-p", "127.0.0.1:0:8080"], ...serve(8080));
    const second = ["--pod", "one", "--name", "b1", "--network-alias", "web", "-p", "127.0.0.1:0:8081"];
    await start(second, ...serve(8081));
    await start(["--pod", "two", "--name", "a2", "-p", "127.0.0.1:0:8080"], ...serve(8080));

    const asked = await shell("a1", "wget -qO- http://web:8081/index.html http://b1:8081/index.html");
    expect(asked).toEqual({ status: 0, stdout: "served\nserved\n", stderr: "" });
    expect((await shell("b1", "wget -qO- http://a1:8080/index.html")).stdout).toBe("served\n");
    expect((await shell("a2", "wget -qO- http://127.0.0.1:8081/")).status).not.toBe(0);
    expect((await shell("a2", hosts)).stdout).not.toMatch(/\b[ab]1\b/);
    for (const name of ["a1", "b1", "a2"]) expect(await ask(await portOf(name))).toBe("served\n");
    const inPods = (await list()).filter(({ pod }) => pod === "one" || pod === "two");
    expect(inPods.map(({ name, pod }) => `${pod}/${name}`).sort()).toEqual(["one/a1", "one/b1", "two/a2"]);

    // The pod goes on when its first container leaves it, and so does the way out of it.
    expect((await whittle("rm", "-f", "a1")).status).toBe(0);
    expect((await shell("b1", hosts)).stdout).not.toMatch(/\ba1\b/);
    expect((await shell("b1", `wget -qO- http://${address}/`)).stdout).toBe("outside\n");
    await start(["--pod", "one", "--name", "c1"], "/bin/sleep", "1000");
    expect((await shell("c1", "wget -qO- http://web:8081/index.html")).stdout).toBe("served\n");

    const stopped = (await whittle("stop", "-t", "1", "--pod", "one")).stdout;
    expect(stopped.trim().split("\n").sort()).toEqual(["b1", "c1"]);
    expect((await named("b1"))?.status).toBe("exited");
    expect((await whittle("rm", "--pod", "one")).stdout).toBe("b1\nc1\n");
    expect((await whittle("rm", "-f", "--pod", "two")).stdout).toBe("a2\n");
    expect((await whittle("stop", "--pod", "one")).status).toBe(2);
  });

  it("keep a pod together when a supervisor is killed", async () => {
    await start(["--pod", "k", "--name", "k1"], ...serve(8080));
    await start(["--pod", "k", "--name", "k2"], "/bin/sleep", "1000");
    const supervisor = await supervisorOf(machine.directory, identity, "k1");
    process.kill(supervisor, "SIGKILL");
    expect((await shell("k2", "wget -qO- http://k1:8080/index.html")).stdout).toBe("served\n");
    await start(["--pod", "k", "--name", "k3"], "/bin/sleep", "1000");
    expect((await shell("k3", "wget -qO- http://k1:8080/index.html")).stdout).toBe("served\n");
    expect((await whittle("rm", "-f", "--pod", "k")).status).toBe(0);
    expect((await list()).filter(({ pod }) => pod === "k")).toEqual([]);
  });

  it("reach what the machine reaches, but not its loopback address", async () => {
    const port = address.split(":")[1];
    const script = `wget -qO- http://${address}/; wget -T 2 -qO- http://10.0.2.2:${port}/ || echo no`;
    const { stdout } = await whittle("run", "--rm", image(), "/bin/sh", "-c", script);
    expect(stdout).toBe("outside\nno\n");
    const alone = ["--network", "none", image(), "/bin/wget", "-T", "2", "-qO-", `http://${address}/`];
    expect((await whittle("run", "--rm", ...alone)).status).not.toBe(0);
    const together = await whittle("run", "--rm", "--pod", "p", "--network", "host", image(), "/bin/true");
    expect(together).toMatchObject({ status: 2, stderr: expect.stringContaining("a pod has its own") });
  });

  it("have the hosts and name servers that they are given", async () => {
    const flags = ["--add-host", "db:10.1.2.3", "--dns", "10.9.9.9", "--hostname", "box"];
    const { stdout } = await whittle(
      ...["run", "--rm", ...flags, image(), "/bin/sh", "-c"],
      "grep db /etc/hosts; grep nameserver /etc/resolv.conf; grep -c box /etc/hosts; hostname",
    );
    expect(stdout).toBe("10.1.2.3\tdb\nnameserver 10.9.9.9\n1\nbox\n");
  });

  it("answer datagrams, each client its own", async () => {
    const echo = `socket(S,2,2,17); bind(S,pack("SnNx8",2,5353,0)) or die;
      while ($from = recv(S,$b,1500,0)) { send(S,"$b to you",0,$from) } die`;
    await start(["--name", "echo", "-p", "127.0.0.1:0:5353/udp"], "/bin/perl", "-e", echo);
    const port = (await portOf("echo")) ?? 0;
    const clients = [createSocket("udp4"), createSocket("udp4")];
    const answers = clients.map(async (client, index) => {
      const heard = once(client, "message") as Promise<[Buffer]>;
      // A datagram may be lost, and the program may not listen yet.
      const again = setInterval(() => client.send(`hello ${index}`, port, "127.0.0.1"), 100);
      const [message] = await heard;
      clearInterval(again);
      client.close();
      return message.toString();
    });
    expect(await Promise.all(answers)).toEqual(["hello 0 to you", "hello 1 to you"]);
    expect((await whittle("rm", "-f", "echo")).status).toBe(0);
  });

  it("keep what they write in volumes, which begin with what the image has there", async () => {
    const run = (script: string, ...flags: string[]): Promise<Ended> =>
      whittle("run", "--rm", ...flags, image(), "/bin/sh", "-c", script);
    const data = ["-v", "data:/srv"];
    expect((await run("cat /srv/index.html; echo kept > /srv/new", ...data)).stdout).toBe("served\n");
    expect((await run("cat /srv/new; rm /srv/index.html", ...data)).stdout).toBe("kept\n");
    const nested = ["--mount", "type=volume,source=data,target=/a", "--tmpfs", "/a/b"];
    expect((await run("ls /a; touch /a/b/x; ls /a/b", ...nested)).stdout).toBe("b\nnew\nnot-a-program\nx\n");
    expect((await run("touch /srv/x || echo no", "-v", "data:/srv:ro")).stdout).toBe("no\n");
    expect((await run("touch /x/y && ls /x", "-v", "/x")).stdout).toBe("y\n");

    await start(["--name", "holder", ...data, "-v", "/own"], "/bin/sleep", "1000");
    const refused = await whittle("volume", "rm", "data");
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining("holder has it") });
    const own = (await named("holder"))?.mounts.find(({ anonymous }) => anonymous)?.source ?? "";
    const volumes = async (): Promise<string[]> =>
      (await whittle("volume", "ls", "-q")).stdout.split("\n").filter((name) => [own, "data"].includes(name));
    expect((await volumes()).sort()).toEqual([own, "data"].sort());
    expect((await whittle("rm", "-f", "-v", "holder")).status).toBe(0);
    expect(await volumes()).toEqual(["data"]);
    expect((await whittle("volume", "rm", "data")).stdout).toBe("data\n");
    expect((await whittle("volume", "inspect", "data")).status).toBe(2);
    expect(
      (await whittle("run", "--rm", "--mount", "type=bind,src=/absent,dst=/x", image(), "/bin/true")).status,
    ).toBe(2);
  });

  it("are started again by policy, with their files, and not when somebody stopped them", async () => {
    const count =
      "echo x >> /data/runs; n=$(wc -l < /data/runs); echo run $n; [ $n -lt 3 ] || exec sleep 1000; exit 7";
    const flags = [
      "--name",
      "again",
      "--restart",
      "on-failure:5",
      "-v",
      "runs:/data",
      "-p",
      "127.0.0.1:0:80",
    ];
    await start(flags, "/bin/sh", "-c", count);
    const settled = await eventually(
      () => named("again"),
      (one) => one?.restarts === 2 && one.status === "running",
    );
    expect(settled).toMatchObject({ restarts: 2, status: "running", exitCode: 7 });
    expect((await whittle("logs", "again")).stdout).toBe("run 1\nrun 2\nrun 3\n");
    expect((await whittle("stop", "-t", "0", "again")).status).toBe(0);
    expect(await named("again")).toMatchObject({ status: "exited", exitCode: 137, restarts: 2 });
    expect((await whittle("rm", "again")).status).toBe(0);
    expect((await whittle("volume", "rm", "runs")).status).toBe(0);

    await start(["--name", "gives-up", "--restart", "on-failure:2"], "/bin/false");
    const ended = await eventually(
      () => named("gives-up"),
      (one) => one?.status === "exited",
    );
    expect(ended).toMatchObject({ status: "exited", exitCode: 1, restarts: 2 });
    // One that waits for its next start can be stopped, too.
    await start(["--name", "waits", "--restart", "always"], "/bin/true");
    await eventually(
      () => named("waits"),
      (one) => (one?.restarts ?? 0) > 3,
    );
    expect((await whittle("stop", "waits")).status).toBe(0);
    expect((await named("waits"))?.status).toBe("exited");
    expect((await whittle("rm", "waits", "gives-up")).status).toBe(0);
    const both = await whittle("run", "--rm", "--restart", "always", image(), "/bin/true");
    expect(both).toMatchObject({ status: 2, stderr: expect.stringContaining("--rm with --restart") });
  });

  it("tell of their health by the flags", async () => {
    const health = [
      "--health-cmd",
      "test -e /tmp/well",
      "--health-interval",
      "100ms",
      "--health-retries",
      "2",
    ];
    await start(["--name", "patient", ...health], "/bin/sleep", "1000");
    const is = (status: string): Promise<Listed | undefined> =>
      eventually(
        () => named("patient"),
        (one) => one?.health === status,
      );
    expect((await is("unhealthy"))?.health).toBe("unhealthy");
    await shell("patient", "touch /tmp/well");
    expect((await is("healthy"))?.health).toBe("healthy");
    expect((await whittle("ps")).stdout).toMatch(/patient .*\(healthy\)/);
    await whittle("rm", "-f", "patient");
  });

  it("have their output kept up to a size, and shown from all of it", async () => {
    const talk = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo line $i; done; exec sleep 1000";
    await start(
      ["--name", "talks", "--log-opt", "max-size=4k", "--log-opt", "max-file=3"],
      "/bin/sh",
      "-c",
      talk,
    );
    const log = await eventually(
      async () => (await whittle("logs", "talks")).stdout.trim().split("\n"),
      (lines) => lines.at(-1) === "line 200",
    );
    expect(log).toEqual(Array.from({ length: log.length }, (_, index) => `line ${201 - log.length + index}`));
    expect(log.length).toBeLessThan(200);
    expect((await whittle("logs", "--tail", "2", "--since", "1h", "talks")).stdout).toBe(
      "line 199\nline 200\n",
    );
    expect((await whittle("logs", "--until", "1h", "talks")).stdout).toBe("");
    await whittle("rm", "-f", "talks");
  });

  it("cannot have one name at the same time", async () => {
    const both = await Promise.all(
      [1, 2].map(() => whittle("run", "-d", "--name", "twin", image(), "/bin/sleep", "1000")),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([0, 2]);
    expect(both.map(({ stderr }) => stderr).join("")).toContain('Cannot name a container "twin"');
    await whittle("rm", "-f", "twin");
  });
});

/** The number of the process that looks after a container, from the state that it keeps. */
async function supervisorOf(home: string, identity: string, name: string): Promise<number> {
  for (const place of ["run/whittle/containers", "home/.cache/whittle/run/containers"]) {
    const directory = join(home, identity, place);
    for (const id of await readdir(directory).catch(() => [])) {
      const text = await readFile(join(directory, id, "state.json"), "utf8").catch(() => "{}");
      const state = JSON.parse(text) as { name?: string; supervisor?: { pid: number } };
      if (state.name === name && state.supervisor !== undefined) return state.supervisor.pid;
    }
  }
  throw new Error(`no container is called ${name}`);
}
