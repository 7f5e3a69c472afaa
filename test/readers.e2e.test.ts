import { spawnSync } from "node:child_process";
import { copyFileSync, lstatSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { engineAnswers, peers, peersDirectory } from "./docker-engine.ts";
import { program, root } from "./program.ts";

// The example as other tools read and run it. Debian packages: skopeo podman runc umoci curl util-linux.

let directory = "";
let digest = "";
const at = (name: string): string => join(directory, name);

function run(command: string, ...args: string[]): string {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    encoding: "utf8",
    env: { ...process.env, WHITTLE_STORE: at("store"), NO_COLOR: "1" },
    maxBuffer: 64 * 1024 * 1024,
  });
  const what = [command, ...args].join(" ");
  expect({ what, status, error, said: status === 0 ? "" : stderr }).toEqual({
    what,
    status: 0,
    error: undefined,
    said: "",
  });
  return stdout;
}

const whittle = (...args: string[]): string => run(process.execPath, program, ...args);

interface Descriptor {
  readonly digest: string;
  readonly platform: { readonly architecture: string; readonly os: string; readonly variant?: string };
}

function json<T>(text: string): T {
  return JSON.parse(text) as T;
}

function rawIndex(reference: string): { readonly manifests: readonly Descriptor[] } {
  return json(run("skopeo", "inspect", "--raw", reference));
}

beforeAll(() => {
  // In lower case, because podman makes an image's name of a layout's path.
  directory = join(tmpdir(), `whittle-readers-${process.pid}`);
  mkdirSync(directory, { recursive: true });
  const example = ["build", join(root, "examples/api-simulator")];
  const all = ["-t", "api:all", "-o", "type=store", "-o", `type=oci,dest=${at("layout")}`];
  digest = whittle(...example, ...all).trim();
  const one = ["--platform", "linux/amd64", "-t", "api:1"];
  const outputs = ["-o", "type=store", "-o", `type=docker,dest=${at("image.tar")}`];
  whittle(...example, ...one, ...outputs, "-o", `type=oci,dest=${at("native")}`);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("skopeo", () => {
  it("inspects each platform of the layout and of the store", () => {
    for (const reference of [`oci:${at("layout")}`, `oci:${at("store")}:api:all`]) {
      const { manifests } = rawIndex(reference);
      expect(manifests.length).toBeGreaterThanOrEqual(11);
      for (const { platform } of manifests) {
        const { architecture, os, variant } = platform;
        const chosen = ["--override-os", os, "--override-arch", architecture];
        if (variant !== undefined) chosen.push("--override-variant", variant);
        const found = json<Record<string, unknown>>(run("skopeo", "inspect", ...chosen, reference));
        expect(found).toMatchObject({
          Architecture: architecture,
          Os: os,
          Digest: expect.stringMatching(/^sha256:/),
        });
        expect(found["Labels"]).toMatchObject({ "org.opencontainers.image.title": "api-simulator" });
      }
    }
  });

  it("copies every platform out and back in with equal digests", () => {
    const keep = ["copy", "--quiet", "--all", "--preserve-digests"];
    run("skopeo", ...keep, `oci:${at("store")}:api:all`, `dir:${at("plain")}`);
    run("skopeo", ...keep, `dir:${at("plain")}`, `oci:${at("back")}:api:all`);
    expect(rawIndex(`oci:${at("back")}:api:all`)).toEqual(rawIndex(`oci:${at("layout")}`));
    // Straight into a store, where it has the name and the digest that it left with.
    run("skopeo", ...keep, `oci:${at("back")}:api:all`, `oci:${at("store")}:api:returned`);
    const inspected = json<{ digest: string }>(whittle("inspect", "--format", "json", "api:returned"));
    expect(inspected.digest).toBe(digest);
    whittle("store", "verify");
  });

  it("copies one platform as a docker-archive that we load again", () => {
    run("skopeo", "copy", "--quiet", `oci:${at("native")}`, `docker-archive:${at("skopeo.tar")}:api:1`);
    const before = json<{ config: unknown }>(run("skopeo", "inspect", "--config", `oci:${at("native")}`));
    const after = json<{ config: unknown }>(
      run("skopeo", "inspect", "--config", `docker-archive:${at("skopeo.tar")}:api:1`),
    );
    expect(after.config).toEqual(before.config);
    const listed = whittle("tree", `docker-archive:${at("skopeo.tar")}`, "--format", "json");
    expect(paths(listed)).toEqual(paths(whittle("tree", "api:1", "--format", "json")));
  });
});

/** The paths of what `whittle tree --format json` printed. */
function paths(text: string): string[] {
  return json<{ path: string }[]>(text).map(({ path }) => path);
}

/** Asks from inside a process's network, in which nothing else listens. */
function curl(pid: string, path: string, ...words: string[]): string {
  const format = "\n%{http_code} %{content_type}";
  const patience = ["--retry", "50", "--retry-connrefused", "--retry-delay", "0", "--retry-max-time", "200"];
  const address = `http://127.0.0.1:8080${path}`;
  return run("nsenter", "-t", pid.trim(), "-n", "curl", "-s", ...patience, "-w", format, ...words, address);
}

function everyRouteIsRight(pid: string): void {
  expect(curl(pid, "/healthz")).toMatch(/"ok".*\n200 application\/json$/s);
  const users = readFileSync(join(root, "examples/api-simulator/api/users.json"), "utf8");
  for (const path of ["/users", "/users.json"]) {
    expect(curl(pid, path)).toBe(`${users}\n200 application/json`);
  }
  expect(curl(pid, "/users", "-X", "POST")).toMatch(/\n201 application\/json$/);
  expect(curl(pid, "/users/1", "-X", "DELETE")).toMatch(/^\n204 $/);
  expect(curl(pid, "/nowhere")).toMatch(/\n404 application\/problem\+json$/);
  expect(curl(pid, "/version", "-X", "DELETE", "-D", "-")).toMatch(
    /^Allow: GET, HEAD, OPTIONS\r$[\s\S]*\n405 application\/problem\+json$/m,
  );
}

describe("podman", () => {
  const podman = (...args: string[]): string => {
    const storage = ["--root", at("podman"), "--runroot", at("podman-run"), "--storage-driver", "vfs"];
    return run("podman", ...storage, "--runtime", "runc", ...args);
  };
  // Limits that need no privilege to set; a network of its own with nothing but the loopback interface.
  const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];

  it.each(["image.tar", "native"])("loads %s, runs it and stops it", (name) => {
    const reference = /Loaded image: (\S+)/.exec(podman("load", "-i", at(name)))?.[1] ?? "";
    const words = ["run", "-d", "--read-only", "--network=none", "--name", "api", ...limits, reference];
    podman(...words);
    try {
      everyRouteIsRight(podman("inspect", "--format", "{{.State.Pid}}", "api"));
      podman("stop", "--time", "20", "api");
      expect(podman("inspect", "--format", "{{.State.ExitCode}}", "api").trim()).toBe("0");
    } finally {
      podman("rm", "--force", "--time", "0", "api");
      podman("rmi", "--force", reference);
    }
  });
});

describe("umoci", () => {
  it("unpacks every file of it", () => {
    const tag = json<{ manifests: { annotations?: Record<string, string> }[] }>(
      readFileSync(join(at("native"), "index.json"), "utf8"),
    ).manifests[0]?.annotations?.["org.opencontainers.image.ref.name"];
    run("umoci", "unpack", "--image", `${at("native")}:${tag}`, at("unpacked"));
    const files = paths(whittle("tree", "api:1", "--format", "json"));
    const absent = files.filter(
      (path) => !lstatSync(`${at("unpacked")}/rootfs${path}`, { throwIfNoEntry: false }),
    );
    expect(absent).toEqual([]);
    expect(statSync(at("unpacked/rootfs/run/nginx/temp"))).toMatchObject({ uid: 10001, gid: 10001 });
    const config = json<{ process: { user: unknown; args: string[] } }>(
      readFileSync(at("unpacked/config.json"), "utf8"),
    );
    expect(config.process.user).toMatchObject({ uid: 10001, gid: 10001 });
    expect(config.process.args).toContain("/usr/sbin/nginx");
  });
});

describe("docker", () => {
  it("loads it, runs it and stops it, where an engine is up", () => {
    if (!engineAnswers("nothing is loaded into it")) return;
    const archive = join(peersDirectory, `readers-${process.pid}.tar`);
    const name = `readers-${process.pid}`;
    const docker = (...args: string[]): string => run(peers, "run", "docker", ...args);
    copyFileSync(at("image.tar"), archive);
    let reference = "";
    try {
      reference = /Loaded image: (\S+)/.exec(docker("load", "-i", archive))?.[1] ?? "";
      docker("run", "-d", "--read-only", "--network=none", "--name", name, reference);
      everyRouteIsRight(docker("inspect", "--format", "{{.State.Pid}}", name));
      docker("stop", "--time", "20", name);
      expect(docker("inspect", "--format", "{{.State.ExitCode}}", name).trim()).toBe("0");
    } finally {
      spawnSync(peers, ["run", "docker", "rm", "--force", name]);
      spawnSync(peers, ["run", "docker", "rmi", "--force", reference]);
      rmSync(archive, { force: true });
    }
  });
});
