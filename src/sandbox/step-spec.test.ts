import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hostPlatform } from "../image/index.ts";
import type { BuildStep } from "./build-step.ts";
import { mostProcesses, stepSpec } from "./step-spec.ts";

const step: BuildStep = {
  args: ["/bin/true"],
  env: ["A=b"],
  cwd: "/srv",
  user: "",
  platform: hostPlatform(),
  network: "default",
  insecure: false,
  extraHosts: [["db", "10.0.0.7"]],
  mounts: [],
  secrets: [],
};
const account = { uid: 0, gid: 0, additionalGids: [], home: "/root" };
const driver = {
  name: "runc" as const,
  lacks: [],
  hides: "",
  inside: () => [],
  run: () => [],
  exec: () => [],
};
const network = { network: undefined, mode: "none" as const, release: async () => undefined };

let path = "";
beforeAll(() => {
  path = mkdtempSync(join(tmpdir(), "whittle-step-"));
});
afterAll(() => rmSync(path, { recursive: true }));

const spec = (changed: Partial<BuildStep>, limits = true): ReturnType<typeof stepSpec> =>
  stepSpec(
    { ...step, ...changed },
    {
      account,
      setup: { driver, privilege: "root", limits, showCgroups: false },
      directory: { id: "id", path },
      network,
      terminal: false,
    },
  );

describe("the configuration of a step", () => {
  it("has a home, a PATH, and what the step says", async () => {
    const { process: program } = await spec({});
    expect(program).toMatchObject({ args: ["/bin/true"], cwd: "/srv", noNewPrivileges: false });
    expect(program.env).toEqual([
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOME=/root",
      "A=b",
    ]);
  });

  it("is called as in BuildKit, or as the step says", async () => {
    const { hostname, mounts } = await spec({});
    expect(hostname).toBe("buildkitsandbox");
    expect(mounts.map(({ destination }) => destination)).not.toContain("/etc/hostname");
    expect(readFileSync(join(path, "etc/hosts"), "utf8")).toBe(
      "127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.7\tdb\n",
    );
    expect((await spec({ hostname: "own" })).hostname).toBe("own");
    expect(readFileSync(join(path, "etc/hosts"), "utf8")).toContain("localhost own\n");
  });

  it("limits processes by control groups, or else by the kernel's own count", async () => {
    const counted = await spec({});
    expect(counted.linux.resources?.pids).toEqual({ limit: mostProcesses });
    expect(counted.process.rlimits).toEqual([]);
    const uncounted = await spec({ pidsLimit: 9 }, false);
    expect(uncounted.linux.resources).toBeUndefined();
    expect(uncounted.process.rlimits).toEqual([{ type: "RLIMIT_NPROC", soft: 9, hard: 9 }]);
  });

  it("puts a mount of the step's in place of the usual one", async () => {
    const own = { destination: "/dev/shm", type: "tmpfs", source: "tmpfs", options: ["size=1"] };
    const shown = (await spec({ mounts: [own] })).mounts.filter(
      ({ destination }) => destination === "/dev/shm",
    );
    expect(shown).toEqual([own]);
    const sized = (await spec({ shmSize: 4096 })).mounts.find(
      ({ destination }) => destination === "/dev/shm",
    );
    expect(sized?.options.filter((option) => option.startsWith("size="))).toEqual(["size=4096"]);
  });

  it("hides and filters nothing from an insecure step, and everything usual from others", async () => {
    const guarded = (await spec({})).linux;
    expect(guarded.seccomp).toBeDefined();
    expect(guarded.maskedPaths).toContain("/proc/kcore");
    const open = await spec({ insecure: true });
    expect(open.linux).toMatchObject({ maskedPaths: [], readonlyPaths: [] });
    expect(open.linux.seccomp).toBeUndefined();
    expect(open.linux.resources?.devices).toEqual([{ allow: true, access: "rwm" }]);
    expect(open.process.capabilities.effective).toContain("CAP_SYS_ADMIN");
  });
});
