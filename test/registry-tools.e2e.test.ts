import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Descriptor } from "../src/image/index.ts";
import { bytesContent, quietWork } from "../src/io/index.ts";
import { openStore, type Store } from "../src/store/index.ts";
import { ask } from "./nginx-server.ts";
import { type Finished, run, temporary, whittle } from "./program.ts";
import {
  dockerRegistry,
  type RegistryProcess,
  type ToolsPlace,
  toolsPlace,
  whittleServe,
} from "./registry-servers.ts";

// skopeo and podman at our server, in the ways in which it can be guarded; our program at Debian's.

let place = "";
let directory = "";
let store: Store;
let image: Descriptor;
let index: Descriptor;
let made: ToolsPlace;
const running: RegistryProcess[] = [];

beforeAll(async () => {
  place = temporary();
  made = await toolsPlace(place);
  ({ store, image, index } = made);
  directory = store.directory;
  mkdirSync(join(place, "certs"));
  writeFileSync(join(place, "certs/ca.crt"), readFileSync(join(place, "ca.crt")));
});

afterAll(async () => {
  for (const registry of running) await registry.stop();
  rmSync(place, { recursive: true, force: true });
});

async function serving(...flags: string[]): Promise<RegistryProcess> {
  const registry = await whittleServe(directory, flags);
  running.push(registry);
  return registry;
}

async function must(
  words: readonly [string, ...string[]],
  env: Record<string, string> = {},
): Promise<string> {
  const done = await run(words, { env: { ...process.env, ...env } });
  expect(`${words.join(" ")}\n${done.status === 0 ? "" : done.stderr}`).toBe(`${words.join(" ")}\n`);
  return done.stdout;
}

function podman(...words: string[]): [string, ...string[]] {
  const storage = ["--root", join(place, "podman"), "--runroot", join(place, "podman-run")];
  return ["podman", ...storage, "--storage-driver", "vfs", ...words];
}

const guards = [
  { way: "plain HTTP", flags: [], trust: "false", certs: false, credentials: false },
  { way: "TLS of a private authority", flags: ["tls"], trust: "true", certs: true, credentials: false },
  { way: "TLS and passwords", flags: ["tls", "htpasswd"], trust: "true", certs: true, credentials: true },
] as const;

describe.each(guards)("over $way", ({ flags, trust, certs, credentials }) => {
  let registry: RegistryProcess;

  beforeAll(async () => {
    registry = await serving(...flags.flatMap((flag) => made[flag]));
  });

  it("skopeo pulls what the store has, and pushes it back", async () => {
    const side = (name: string): string[] => [
      ...[`--${name}-tls-verify=${trust}`, ...(certs ? [`--${name}-cert-dir`, join(place, "certs")] : [])],
      ...(credentials ? [`--${name}-creds`, "ada:love:lace"] : []),
    ];
    const layout = `oci:${join(place, `pulled-${flags.length}`)}:1`;
    const away = `docker://${registry.host}/tools/index:1`;
    await must(["skopeo", "copy", "-q", "--all", ...side("src"), away, layout]);
    const back = `docker://${registry.host}/tools/back-${flags.length}:1`;
    await must(["skopeo", "copy", "-q", "--all", ...side("dest"), layout, back]);
    const inspect = ["skopeo", "inspect", "--raw", `--tls-verify=${trust}`] as const;
    const access = [
      ...(certs ? ["--cert-dir", join(place, "certs")] : []),
      ...(credentials ? ["--creds", "ada:love:lace"] : []),
    ];
    const raw = JSON.parse(await must([...inspect, ...access, back])) as { manifests: { digest: string }[] };
    expect(raw.manifests).toHaveLength(2);
    expect((await store.list()).map(({ reference }) => reference)).toContain(`tools/back-${flags.length}:1`);
  });

  it("podman pulls, and pushes", async () => {
    const access = [
      ...[`--tls-verify=${trust}`, ...(certs ? ["--cert-dir", join(place, "certs")] : [])],
      ...(credentials ? ["--creds", "ada:love:lace"] : []),
    ];
    await must(podman("pull", "-q", ...access, `${registry.host}/tools/image:1`));
    const pushed = `${registry.host}/tools/podman-${flags.length}:1`;
    await must(podman("push", "-q", ...access, `${registry.host}/tools/image:1`, pushed));
    expect(await store.resolve(`tools/podman-${flags.length}:1`)).toBeDefined();
  });

  it("whittle pulls it into another store, by its settings and its login", async () => {
    const settings = join(place, "registries.yaml");
    writeFileSync(
      settings,
      certs ? `registries: {"${registry.host}": {ca: ${join(place, "ca.crt")}}}\n` : "",
    );
    const env = { ...process.env, HOME: place, WHITTLE_REGISTRIES: settings };
    const other = join(place, `other-${flags.length}`);
    const name = `${registry.host}/tools/image:1`;
    if (credentials) {
      const refused = await whittle(other, ["pull", name], { env });
      expect(refused.status).not.toBe(0);
      expect(refused.stderr).toContain(`whittle login ${registry.host}`);
      const login = (text: string): Promise<Finished> =>
        run(["sh", "-c", `printf %s ${text} | "$0" "$@"`, process.execPath, ...loginWords(registry)], {
          env,
        });
      expect((await login("wrong")).status).not.toBe(0);
      const done = await login("love:lace");
      expect(`${done.status} ${done.stderr}`).toBe("0 ");
    }
    const pulled = await whittle(other, ["pull", name], { env });
    expect(`${pulled.status} ${pulled.stderr}`).toMatch(/^0 /);
    expect(pulled.stdout.trim()).toBe(image.digest);
  });

  if (credentials) {
    it("who does not know the password gets nothing", async () => {
      for (const creds of [[], ["--creds", "ada:wrong"]]) {
        const words = ["inspect", "--cert-dir", join(place, "certs"), ...creds] as const;
        const refused = await run(["skopeo", ...words, `docker://${registry.host}/tools/image:1`]);
        expect(refused.status).not.toBe(0);
      }
    });
  }
});

describe("where pulling needs no password, and pushing does", () => {
  let registry: RegistryProcess;
  let certificates: string;
  const creds = ["--creds", "ada:love:lace"];

  beforeAll(async () => {
    registry = await serving(...made.tls, ...made.htpasswd, "--anonymous-pull");
    certificates = join(place, "certs");
  });

  it("skopeo pulls as nobody, and pushes with a password", async () => {
    const away = `docker://${registry.host}/tools/index:1`;
    const layout = `oci:${join(place, "pulled-by-nobody")}:1`;
    await must(["skopeo", "copy", "-q", "--all", "--src-cert-dir", certificates, away, layout]);
    const push = (name: string, ...more: string[]): [string, ...string[]] => [
      ...(["skopeo", "copy", "-q", "--all", "--dest-cert-dir", certificates, ...more] as const),
      ...[layout, `docker://${registry.host}/tools/${name}:1`],
    ];
    await must(push("back-from-ada", "--dest-creds", "ada:love:lace"));
    expect(await store.resolve("tools/back-from-ada:1")).toBeDefined();
    for (const more of [[], ["--dest-creds", "ada:wrong"]]) {
      const refused = await run(push("back-from-nobody", ...more));
      expect([refused.status !== 0, refused.stderr]).toEqual([true, expect.stringMatching(/password/)]);
    }
    expect(await store.resolve("tools/back-from-nobody:1")).toBeUndefined();
  });

  it("podman pulls as nobody, pushes with a password, and is told that one is wrong", async () => {
    const access = ["--cert-dir", certificates];
    await must(podman("pull", "-q", ...access, `${registry.host}/tools/image:1`));
    const pushed = `${registry.host}/tools/podman-of-ada:1`;
    await must(podman("push", "-q", ...access, ...creds, `${registry.host}/tools/image:1`, pushed));
    expect(await store.resolve("tools/podman-of-ada:1")).toBeDefined();
    const login = ["login", ...access, "--authfile", join(place, "podman-auth"), "-u", "ada", "-p"];
    await must(podman(...login, "love:lace", registry.host));
    expect((await run(podman(...login, "wrong", registry.host))).status).not.toBe(0);
  });

  it("whittle pulls as nobody, and pushes when it is logged in", async () => {
    const settings = join(place, "registries.yaml");
    writeFileSync(settings, `registries: {"${registry.host}": {ca: ${join(place, "ca.crt")}}}\n`);
    const home = join(place, "home-of-ada");
    mkdirSync(home);
    const env = { ...process.env, HOME: home, WHITTLE_REGISTRIES: settings };
    const other = join(place, "other-of-ada");
    const pulled = await whittle(other, ["pull", `${registry.host}/tools/image:1`], { env });
    expect(pulled.stdout.trim()).toBe(image.digest);
    const push = (): Promise<Finished> =>
      whittle(directory, ["push", "tools/image:1", `${registry.host}/tools/whittle-of-ada:1`], { env });
    expect((await push()).stderr).toContain(`whittle login ${registry.host}`);
    const login = (text: string): Promise<Finished> =>
      run(["sh", "-c", `printf %s ${text} | "$0" "$@"`, process.execPath, ...loginWords(registry)], { env });
    expect((await login("wrong")).status).not.toBe(0);
    expect((await login("love:lace")).status).toBe(0);
    const pushed = await push();
    expect(`${pushed.status} ${pushed.stdout.trim()}`).toBe(`0 ${image.digest}`);
    expect(await store.resolve("tools/whittle-of-ada:1")).toBeDefined();
  });
});

function loginWords({ host }: RegistryProcess): string[] {
  return [join(import.meta.dirname, "../dist/whittle.js"), "login", host, "-u", "ada", "--password-stdin"];
}

describe("a read-only server", () => {
  it("lets nothing be pushed or deleted", async () => {
    const registry = await serving("--read-only");
    const layout = `oci:${join(place, "read-only")}:1`;
    const there = `docker://${registry.host}/tools/image:1`;
    await must(["skopeo", "copy", "-q", "--src-tls-verify=false", there, layout]);
    const refused = await run(["skopeo", "copy", "-q", "--dest-tls-verify=false", layout, `${there}2`]);
    expect(refused.status).not.toBe(0);
    expect((await ask(registry.port, "DELETE", "/v2/tools/image/manifests/1")).status).toBe(403);
  });
});

describe("what the server tells", () => {
  it("is a line of JSON for each request, numbers for Prometheus, and its health", async () => {
    const registry = await serving();
    expect((await ask(registry.port, "GET", "/health")).status).toBe(200);
    await ask(registry.port, "GET", "/v2/tools/image/manifests/1");
    const metrics = (await ask(registry.port, "GET", "/metrics")).body.toString();
    expect(metrics).toMatch(/^# TYPE \w+ counter$/m);
    const lines = registry.log().trim().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { path: string; status: number }).status)).toContain(200);
  });
});

describe("Debian's docker-registry", () => {
  let registry: RegistryProcess;

  beforeAll(async () => {
    registry = await dockerRegistry(join(place, "debian"));
    running.push(registry);
  });

  it("takes what whittle pushes, under the same digest, and skopeo reads it", async () => {
    const name = `${registry.host}/tools/index:1`;
    const pushed = await whittle(directory, ["push", "tools/index:1", name]);
    expect(`${pushed.status} ${pushed.stdout.trim()}`).toBe(`0 ${index.digest}`);
    const inspected = await must(["skopeo", "inspect", "--raw", "--tls-verify=false", `docker://${name}`]);
    expect(bytesContent(inspected).size).toBe(index.size);
    expect((await whittle(directory, ["tags", `${registry.host}/tools/index`])).stdout).toBe("1\n");
  });

  it("is copied from registry to registry, referrers included", async () => {
    const { sampleReasons } = await import("../src/store/sample-image.contract.ts");
    await store.attach(await sampleReasons(store, image));
    const ours = await serving();
    const from = `docker://${ours.host}/tools/image:1`;
    const to = `docker://${registry.host}/tools/copied:1`;
    const copied = await whittle(join(place, "unused"), ["copy", from, to]);
    expect(`${copied.status} ${copied.stdout.trim()} ${copied.stderr}`).toContain(`0 ${image.digest}`);
    // It has no referrers API: a tag lists what speaks of the image.
    const listed = (await whittle(directory, ["tags", `${registry.host}/tools/copied`])).stdout;
    expect(listed.split("\n")).toContain(image.digest.replace(":", "-"));
    const back = await openStore(join(place, "back"), { create: true });
    expect((await whittle(back.directory, ["pull", to])).status).toBe(0);
    expect(await back.referrers(image.digest)).toHaveLength(1);
    for await (const problem of back.verify(quietWork)) expect(problem).toBeUndefined();
  });

  it("deletes images by digest; the server of ours tags too", async () => {
    const nameAt = (host: string): string => `${host}/tools/deleted:1`;
    const ours = await serving();
    for (const { host } of [registry, ours]) {
      expect((await whittle(directory, ["push", "tools/image:1", nameAt(host)])).status).toBe(0);
    }
    const refused = await whittle(directory, ["rmi", "--remote", nameAt(registry.host)]);
    expect(refused.stderr).toContain(`@${image.digest} deletes the image, with all its tags`);
    for (const target of [`${registry.host}/tools/deleted@${image.digest}`, nameAt(ours.host)]) {
      expect((await whittle(directory, ["rmi", "--remote", target])).stdout).toBe(`deleted ${target}\n`);
      expect((await whittle(directory, ["rmi", "--remote", target])).status).not.toBe(0);
    }
  });

  it("is built from, with FROM and COPY --from", async () => {
    const name = `${registry.host}/tools/base:1`;
    expect((await whittle(directory, ["push", "tools/image:1", name])).status).toBe(0);
    const context = join(place, "context");
    mkdirSync(context, { recursive: true });
    writeFileSync(
      join(context, "Dockerfile"),
      `FROM ${name}\nCOPY --from=${name} /etc/motd /copied\nLABEL built=here\n`,
    );
    const fresh = join(place, "fresh");
    const built = await whittle(fresh, [
      "build",
      "-f",
      join(context, "Dockerfile"),
      "-t",
      "built:1",
      context,
    ]);
    expect(`${built.status} ${built.status === 0 ? "" : built.stderr}`).toBe("0 ");
    const tree = await whittle(fresh, ["tree", "built:1"]);
    expect(tree.stdout).toMatch(/copied/);
    // By the name of a context, in a store that does not have it either.
    writeFileSync(join(context, "Named"), "FROM scratch\nCOPY --from=other /etc/motd /named\n");
    const other = ["--build-context", `other=docker-image://${name}`];
    const words = ["build", ...other, "-f", join(context, "Named"), "-t", "named:1", context];
    const named = await whittle(join(place, "named"), words);
    expect(`${named.status} ${named.status === 0 ? "" : named.stderr}`).toBe("0 ");
    const absent = words.map((word) => word.replace("/tools/base:1", "/tools/nothing:1"));
    expect((await whittle(join(place, "named"), absent)).stderr).toContain(
      "nothing:1 as the context other: the store does not have it for linux/",
    );
  });
});

describe("podman's storage", () => {
  it("takes an image of the store, and gives it back", async () => {
    const [graph, state] = [join(place, "engine"), join(place, "engine-run")];
    const storage = join(place, "storage.conf");
    writeFileSync(storage, `[storage]\ndriver = "vfs"\ngraphroot = "${graph}"\nrunroot = "${state}"\n`);
    const env = { ...process.env, CONTAINERS_STORAGE_CONF: storage };
    const name = "containers-storage:registry.example/tools/engine:1";
    const given = await whittle(directory, ["copy", "tools/image:1", name], { env });
    expect(`${given.status} ${given.stderr}`).toMatch(/^0 /);
    const seen = await must(["podman", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], {
      CONTAINERS_STORAGE_CONF: storage,
    });
    expect(seen.trim()).toBe("registry.example/tools/engine:1");
    const back = join(place, "engine-back");
    const taken = await whittle(back, ["copy", name, "taken:1"], { env });
    expect(`${taken.status} ${taken.stderr}`).toMatch(/^0 /);
    expect((await whittle(back, ["tree", "taken:1"])).stdout).toContain("hello");
    const missing = await whittle(back, ["copy", `${name}x`, "taken:2"], { env });
    expect(missing.status).toBe(3);
    expect(missing.stderr).toMatch(
      /Cannot read containers-storage:registry.example\/tools\/engine:1x: skopeo says/,
    );
  });
});
