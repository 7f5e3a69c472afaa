import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { appendFile, chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BuildMachine } from "./build-machine.ts";
import { type Identity, identities, type Lacking } from "./sandbox-machine.ts";

// What can go wrong with a build's commands, and what is left of it: nothing.

let machine: BuildMachine;

beforeAll(async () => {
  machine = await BuildMachine.make();
});

afterAll(async () => {
  const left = await machine.remove();
  expect(left).toEqual([]);
});

/** Whether a process runs with these words. */
async function runs(words: string): Promise<boolean> {
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (line.replaceAll("\0", " ").trim() === words) return true;
  }
  return false;
}

/** Waits until something is so; what is not in time is a failure of the test. */
async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await delay(10);
}

describe.each(identities)("a command run as %s", (identity) => {
  it("is told of with its signal's status, its last lines and its place", async () => {
    const many = "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo line $i; done";
    const ended = await machine.build(identity, [`RUN ${many}; sh -c 'kill -9 $$'; exit $?`]);
    expect(ended.status).toBe(4);
    expect(ended.stderr).toMatch(/Dockerfile:3:1\n/);
    expect(ended.stderr).toContain("exit status 137");
    expect(ended.stderr).toContain("  | line 30\n");
    expect(ended.stderr).not.toContain("  | line 10\n");
    expect(ended.stderr).toMatch(/^3 \| RUN/m);
    expect(await machine.unfinished(identity)).toEqual([]);
  });

  it("takes what it started with it", async () => {
    const length = String(100_000 + identities.indexOf(identity));
    const ended = await machine.build(identity, [
      `RUN (sleep ${length} &); (trap '' HUP TERM; sleep ${length}) & true`,
    ]);
    expect(ended.status, ended.stderr).toBe(0);
    expect(await runs(`sleep ${length}`)).toBe(false);
    expect(await machine.unfinished(identity)).toEqual([]);
  });

  it("leaves a shell to look around with, if asked", async () => {
    const lines = [
      "ENV NAME=value",
      "WORKDIR /srv/place",
      "USER root",
      "RUN echo made > made; rm /etc/group; false",
    ];
    const input = 'pwd; echo "$NAME"; cat made; ls /etc; exit 7\n';
    const ended = await machine.build(identity, lines, { flags: ["--invoke-on-error", "sh"], input });
    expect(ended.status).toBe(4);
    expect(ended.stdout).toMatch(/^\/srv\/place\nvalue\nmade\n/);
    expect(ended.stdout).toContain("passwd");
    expect(ended.stdout).not.toContain("group");
    expect(ended.stderr).toContain("/bin/sh ended with status 7");
    expect(await machine.unfinished(identity)).toEqual([]);
  });
});

const bombs: readonly { readonly identity: Identity; readonly driver: string; readonly lacking: Lacking }[] =
  [
    { identity: "root", driver: "runc", lacking: {} },
    { identity: "root", driver: "plain", lacking: { programs: ["runc", "crun"] } },
    { identity: "subordinate", driver: "runc", lacking: {} },
    { identity: "single", driver: "plain", lacking: { programs: ["runc", "crun"] } },
  ];

describe.each(bombs)("a fork bomb run by $driver as $identity", ({ identity, lacking }) => {
  it("cannot make more processes than it may have", async () => {
    const bomb = "RUN i=0; while [ $i -lt 300 ]; do sleep 200000 & i=$((i+1)); done; echo survived";
    const ended = await machine.build(identity, [bomb], { flags: ["--pids-limit", "64"], lacking });
    expect(ended.status, ended.stderr).toBe(4);
    expect(ended.stderr).toMatch(/can't fork/);
    expect(ended.stderr).not.toContain("  | survived");
    expect(await runs("sleep 200000")).toBe(false);
  });
});

describe("a disk that is too small", () => {
  it("fails the command that fills it, and the next build goes on", async () => {
    const small = join(machine.sandbox.directory, "small");
    await mkdir(small);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", small]);
    try {
      const env = { XDG_CACHE_HOME: small };
      const fill = ["RUN echo kept > /kept", "RUN dd if=/dev/zero of=/big bs=1M count=64"];
      const full = await machine.build("root", fill, { env });
      expect(full.status).toBe(4);
      expect(full.stderr).toContain("No space left on device");
      expect(await readdir(join(small, "whittle/steps"))).toEqual([]);
      const next = await machine.build("root", ["RUN dd if=/dev/zero of=/little bs=1M count=2"], { env });
      expect(next.status, next.stderr).toBe(0);
    } finally {
      execFileSync("umount", [small]);
    }
  });
});

const signals = ["SIGINT", "SIGTERM", "SIGKILL"] as const;

describe("a build that is ended", () => {
  // One of its commands does not end while a secret is given, which is nothing that the cache looks at: so the signal
  // comes before the build's end whatever the load.
  const held = "sleep 300000";
  const linesHeldAt = (at: number): string[] => {
    const hold = `[ ! -e /run/secrets/hold ] || ${held}`;
    const command = (index: number, words: string): string =>
      `RUN --mount=type=secret,id=hold ${words}${index === at ? `; ${hold}` : ""}`;
    return [
      command(0, "echo one > /one"),
      command(1, "dd if=/dev/urandom of=/big bs=1M count=40; echo '> written'"),
      "COPY base /again",
      command(2, "echo '> last'"),
    ];
  };
  const phases = [
    { phase: "before the first command", moment: /\] COPY base \//, heldAt: 0 },
    { phase: "in a command", moment: /\d > written$/m, heldAt: 1 },
    { phase: "while a layer is written", moment: /> written\n(?:.*\n)*?.*DONE/, heldAt: 2 },
    { phase: "in the last command", moment: /\d > last$/m, heldAt: 2 },
  ];
  const cases = signals.flatMap((signal) => phases.map((one) => ({ signal, ...one })));

  it.each(cases)("by $signal $phase leaves nothing running, and the next one completes", async (one) => {
    const context = await machine.context(linesHeldAt(one.heldAt));
    const words = ["build", "--progress", "plain", context];
    const hold = ["--secret", `id=hold,src=${context}/Dockerfile`];
    const first = machine.sandbox.spawn("root", [...words, ...hold, "--no-cache"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const ended = once(first, "close") as Promise<[number | null, string | null]>;
    let told = "";
    let over = false;
    void ended.then(() => {
      over = true;
    });
    first.stderr?.on("data", (chunk: Buffer) => {
      told += chunk.toString();
    });
    await until(() => over || one.moment.test(told));
    first.kill(one.signal);
    const [status, signal] = await ended;
    if (one.signal === "SIGKILL") expect(signal, told).toBe("SIGKILL");
    else expect(status, told).toBe(130);
    // What was killed takes its children with it, which takes the kernel a moment.
    await until(async () => (await machine.sandbox.leftovers()).length === 0 && !(await runs(held)));
    if (one.signal !== "SIGKILL") expect(await machine.unfinished("root")).toEqual([]);
    const second = await machine.sandbox.whittle("root", words);
    expect(second.status, second.stderr).toBe(0);
    expect((await machine.unfinished("root")).filter((name) => name.startsWith("steps/"))).toEqual([]);
  });
});

/** A server that leaves its first answer unfinished, and finishes the others. */
async function stallingServer(
  body: string,
): Promise<{ server: Server; address: string; stalls: Promise<void> }> {
  const { promise: stalls, resolve } = Promise.withResolvers<void>();
  let first = true;
  const server = createServer((request, response) => {
    response.setHeader("content-length", body.length);
    if (request.method === "HEAD" || !first) return void response.end(body);
    first = false;
    response.write(body.slice(0, 1), () => resolve());
  });
  await new Promise<void>((listens) => server.listen(0, "127.0.0.1", listens));
  return { server, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stalls };
}

describe("a build that is ended while it fetches", () => {
  const sources = [
    { what: "a file", line: (address: string) => `ADD ${address}/file /fetched`, again: 0 },
    // What it sends is no repository, so the next build ends at once, and says so.
    { what: "a repository", line: (address: string) => `ADD ${address}/project.git /fetched`, again: 3 },
  ];
  const cases = signals.flatMap((signal) => sources.map((source) => ({ signal, ...source })));

  it.each(cases)("$what, by $signal, leaves nothing running", async ({ signal, line, again }) => {
    const { server, address, stalls } = await stallingServer("fetched\n");
    try {
      const words = ["build", "--progress", "plain", await machine.context([line(address)])];
      const first = machine.sandbox.spawn("root", words, { stdio: ["ignore", "ignore", "inherit"] });
      const ended = once(first, "close") as Promise<[number | null, string | null]>;
      await stalls;
      first.kill(signal);
      expect(await ended).toEqual(signal === "SIGKILL" ? [null, signal] : [130, null]);
      await until(async () => (await machine.sandbox.leftovers()).length === 0);
      const second = await machine.sandbox.whittle("root", words);
      expect(second.status, second.stderr).toBe(again);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

describe("a context", () => {
  it.each(["directory", "file"])(
    "with a %s that this user may not read is refused, and it is named",
    async (kind) => {
      const context = await machine.context(["COPY . /all"]);
      if (kind === "file") await writeFile(join(context, "closed"), "x", { mode: 0o600 });
      else await mkdir(join(context, "closed"), { mode: 0o700 });
      const refused = await machine.sandbox.whittle("subordinate", ["build", context]);
      expect(refused.status, refused.stderr).toBe(3);
      expect(refused.stderr).toMatch(
        /Cannot read (?:the directory )?\S+\/closed: permission denied\nhint: .*\.dockerignore/,
      );
      await appendFile(join(context, ".dockerignore"), "closed\n");
      const built = await machine.sandbox.whittle("subordinate", ["build", context]);
      expect(built.status, built.stderr).toBe(0);
    },
  );
});

describe("a directory that this user may not look into", () => {
  it("is not said to be empty", async () => {
    const context = await machine.context([]);
    await chmod(context, 0o700);
    const refused = await machine.sandbox.whittle("subordinate", ["build", context]);
    expect(refused.status).toBe(3);
    expect(refused.stderr).toMatch(
      /Cannot read \S+\/whittle\.yaml: permission denied\nhint: this is the user/,
    );
  });
});

describe("a tower of layers", () => {
  it("is refused where no overlay could hold it", async () => {
    const ended = await machine.build("root", Array<string>(1000).fill("COPY base/etc /etc"));
    expect(ended.status).toBe(2);
    expect(ended.stderr).toContain("Dockerfile:502:1");
    expect(ended.stderr).toContain("an image has at most 500 layers");
  });

  it("of more than a hundred can be built and run on", async () => {
    const steps = Array.from({ length: 120 }, (_, index) => `COPY base/etc/passwd /copy${index}`);
    const ended = await machine.build("root", [
      ...steps,
      "RUN ls / | grep -c copy",
      "RUN test -e /copy3 -a -e /copy119",
    ]);
    expect(ended.status, ended.stderr).toBe(0);
    expect(ended.stderr).toMatch(/ 120$/m);
  });
});
