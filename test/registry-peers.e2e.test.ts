import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Descriptor } from "../src/image/index.ts";
import { quietWork } from "../src/io/index.ts";
import type { Store } from "../src/store/index.ts";
import { engineAnswers, isSetUp, peers, peersDirectory } from "./docker-engine.ts";
import { whittle } from "./program.ts";
import { dockerRegistry, type RegistryProcess, toolsPlace, whittleServe } from "./registry-servers.ts";

// The newest of the field's clients at our server, over TLS and with passwords; and at Debian's, where we pushed.

const engine = isSetUp && engineAnswers("docker and containerd are not tried here");
if (!isSetUp) console.warn(`${peers} is not set up: no other tool is tried against our server here`);

let place = "";
let store: Store;
let image: Descriptor;
let index: Descriptor;
let registry: RegistryProcess;
let debian: RegistryProcess;

/** Runs a tool in the peers' root, which sees the directory of the test under the same path. */
async function peer(words: readonly string[], stdin = ""): Promise<string> {
  const env = [
    `DOCKER_CONFIG=${place}/docker`,
    `SSL_CERT_FILE=${place}/ca.crt`,
    `REGISTRY_AUTH_FILE=${place}/auth.json`,
  ];
  const child = spawn(peers, ["run", "env", ...env, ...words], { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end(stdin);
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    out += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    err += chunk;
  });
  const status = await new Promise((resolve) => child.on("close", resolve));
  expect(`${words.join(" ")}: ${status} ${status === 0 ? "" : err + out}`).toBe(`${words.join(" ")}: 0 `);
  return out;
}

const resolved = async (name: string): Promise<string | undefined> => (await store.resolve(name))?.digest;
const certificates = (): string => join(peersDirectory, "../root/etc/docker/certs.d", registry.host);
const containerd = ["ctr", "--address", join(peersDirectory, "engine/exec/containerd/containerd.sock")];

beforeAll(async () => {
  if (!isSetUp) return;
  mkdirSync(peersDirectory, { recursive: true });
  place = mkdtempSync(join(peersDirectory, "registry-"));
  const made = await toolsPlace(place);
  ({ store, image, index } = made);
  registry = await whittleServe(store.directory, [...made.tls, ...made.htpasswd]);
  const auth = Buffer.from("ada:love:lace").toString("base64");
  mkdirSync(join(place, "docker"));
  for (const file of ["docker/config.json", "auth.json"]) {
    writeFileSync(join(place, file), JSON.stringify({ auths: { [registry.host]: { auth } } }));
  }
  debian = await dockerRegistry(join(place, "debian"));
  for (const name of ["image", "index"]) {
    const pushed = await whittle(store.directory, [
      "push",
      `tools/${name}:1`,
      `${debian.host}/tools/${name}:1`,
    ]);
    expect(`${pushed.status} ${pushed.status === 0 ? "" : pushed.stderr}`).toBe("0 ");
  }
  if (engine) {
    mkdirSync(certificates(), { recursive: true });
    writeFileSync(join(certificates(), "ca.crt"), execFileSync("cat", [join(place, "ca.crt")]));
  }
});

afterAll(async () => {
  if (!isSetUp) return;
  rmSync(certificates(), { recursive: true, force: true });
  await registry.stop();
  await debian.stop();
  for await (const problem of store.verify(quietWork)) expect(problem).toBeUndefined();
  rmSync(place, { recursive: true, force: true });
});

describe.runIf(isSetUp)("over TLS and with a password", () => {
  it("crane pulls, pushes, copies, lists and deletes", async () => {
    const at = `${registry.host}/tools/image`;
    expect((await peer(["crane", "digest", `${at}:1`])).trim()).toBe(image.digest);
    const layout = join(place, "crane");
    await peer(["crane", "pull", "--format=oci", `${registry.host}/tools/index:1`, layout]);
    await peer(["crane", "push", "--index", layout, `${registry.host}/crane/index:1`]);
    expect(await resolved("crane/index:1")).toBeDefined();
    await peer(["crane", "copy", `${registry.host}/tools/index:1`, `${registry.host}/crane/copied:1`]);
    expect(await resolved("crane/copied:1")).toBe(index.digest);
    await peer(["crane", "tag", `${registry.host}/crane/copied:1`, "2"]);
    expect((await peer(["crane", "ls", `${registry.host}/crane/copied`])).split("\n")).toEqual([
      "1",
      "2",
      "",
    ]);
    expect(await peer(["crane", "catalog", registry.host])).toContain("crane/copied\n");
    expect(
      await peer(["crane", "validate", "--fast", "--remote", `${registry.host}/crane/copied:1`]),
    ).toContain("PASS");
    await peer(["crane", "delete", `${registry.host}/crane/copied@${index.digest}`]);
    expect(await resolved("crane/copied:1")).toBeUndefined();
  });

  it("oras pushes an artifact, attaches another, finds it, and pulls both", async () => {
    writeFileSync(join(place, "bill.json"), '{"of":"materials"}\n');
    const file = ["--disable-path-validation", join(place, "bill.json")];
    const at = `${registry.host}/oras/artifact:1`;
    await peer(["oras", "push", at, "--artifact-type", "application/vnd.example.bill", ...file]);
    await peer(["oras", "attach", at, "--artifact-type", "application/vnd.example.signature", ...file]);
    const found = JSON.parse(await peer(["oras", "discover", "--format", "json", at])) as object;
    expect(JSON.stringify(found)).toContain("application/vnd.example.signature");
    const whole = `${registry.host}/oras/copied:1`;
    await peer(["oras", "cp", "--recursive", at, whole]);
    expect(JSON.stringify(JSON.parse(await peer(["oras", "discover", "--format", "json", whole])))).toContain(
      "application/vnd.example.signature",
    );
    expect(await peer(["oras", "repo", "tags", `${registry.host}/oras/copied`])).toBe("1\n");
    await peer(["oras", "manifest", "delete", "--force", at]);
    await peer(["oras", "cp", `${registry.host}/tools/index:1`, `${registry.host}/oras/index:1`]);
    expect(await resolved("oras/index:1")).toBe(index.digest);
  });

  it("the newest skopeo copies and deletes, and podman pulls and pushes", async () => {
    const certs = join(place, "certs");
    mkdirSync(certs);
    writeFileSync(join(certs, "ca.crt"), execFileSync("cat", [join(place, "ca.crt")]));
    const trust = (side: string): string[] => [`--${side}-cert-dir`, certs];
    const to = `docker://${registry.host}/skopeo/index:1`;
    const from = `docker://${registry.host}/tools/index:1`;
    await peer(["skopeo", "copy", "--all", ...trust("src"), ...trust("dest"), from, to]);
    expect(await resolved("skopeo/index:1")).toBeDefined();
    await peer(["skopeo", "delete", "--cert-dir", certs, to]);
    expect(await resolved("skopeo/index:1")).toBeUndefined();
    const storage = [
      "--root",
      join(place, "podman"),
      "--runroot",
      join(place, "podman-run"),
      "--storage-driver",
      "vfs",
    ];
    const at = `${registry.host}/tools/image:1`;
    await peer(["podman", ...storage, "pull", "-q", "--cert-dir", certs, at]);
    await peer([
      "podman",
      ...storage,
      "push",
      "-q",
      "--cert-dir",
      certs,
      at,
      `${registry.host}/podman/image:1`,
    ]);
    expect(await resolved("podman/image:1")).toBeDefined();
  });

  it.runIf(engine)("docker logs in, pulls by tag and by digest, and pushes", async () => {
    const name = `${registry.host}/docker/image:1`;
    const at = `${registry.host}/tools/image`;
    await peer(["docker", "login", "-u", "ada", "--password-stdin", registry.host], "love:lace");
    try {
      await peer(["docker", "pull", "-q", `${at}:1`]);
      expect(await peer(["docker", "inspect", "--format", "{{.RepoDigests}}", `${at}:1`])).toContain(
        image.digest,
      );
      await peer(["docker", "tag", `${at}:1`, name]);
      await peer(["docker", "push", "-q", name]);
      expect(await resolved("docker/image:1")).toBeDefined();
      await peer(["docker", "rmi", "-f", name, `${at}:1`]);
      await peer(["docker", "pull", "-q", `${at}@${image.digest}`]);
    } finally {
      for (const gone of [name, `${at}:1`, `${at}@${image.digest}`])
        spawnSync(peers, ["run", "docker", "rmi", "-f", gone]);
    }
  });

  it.runIf(engine)("containerd pulls all platforms, and pushes", async () => {
    const namespace = [...containerd, "--namespace", "whittle-registry-test"];
    const access = ["--tlscacert", join(place, "ca.crt"), "--user", "ada:love:lace"];
    const at = `${registry.host}/tools/index:1`;
    const name = `${registry.host}/containerd/index:1`;
    try {
      await peer([...namespace, "content", "fetch", "--all-platforms", ...access, at]);
      await peer([...namespace, "images", "push", "--local", ...access, name, at]);
      expect(await resolved("containerd/index:1")).toBe(index.digest);
    } finally {
      spawnSync(peers, ["run", ...namespace, "images", "rm", "--sync", at]);
      spawnSync(peers, ["run", ...namespace, "content", "prune", "references"]);
      spawnSync(peers, ["run", ...containerd, "namespaces", "rm", "whittle-registry-test"]);
    }
  });

  it("nobody gets anything with another password", async () => {
    const words = [
      "run",
      "env",
      `SSL_CERT_FILE=${place}/ca.crt`,
      "oras",
      "manifest",
      "fetch",
      "-u",
      "ada",
      "-p",
      "wrong",
    ];
    expect(spawnSync(peers, [...words, `${registry.host}/tools/image:1`]).status).not.toBe(0);
  });
});

describe.runIf(isSetUp)("what whittle pushed to Debian's docker-registry", () => {
  it("is read by its digest by all of them", async () => {
    const at = (): string => `${debian.host}/tools/index@${index.digest}`;
    const size = async (words: readonly string[]): Promise<number> => Buffer.byteLength(await peer(words));
    expect(await size(["crane", "manifest", "--insecure", at()])).toBeGreaterThanOrEqual(index.size);
    expect(await size(["oras", "manifest", "fetch", "--plain-http", at()])).toBe(index.size);
    const inspect = ["skopeo", "inspect", "--raw", "--tls-verify=false", `docker://${at()}`];
    expect(await size(inspect)).toBe(index.size);
    const layout = `oci:${join(place, "from-debian")}:1`;
    const copy = ["skopeo", "copy", "--all", "--src-tls-verify=false"];
    await peer([...copy, `docker://${at()}`, layout]);
    expect(await peer(["crane", "validate", "--fast", "--insecure", "--remote", at()])).toContain("PASS");
  });

  it.runIf(engine)("is pulled by its digest by docker and containerd", async () => {
    const at = `${debian.host}/tools/image@${image.digest}`;
    const namespace = [...containerd, "--namespace", "whittle-registry-test"];
    try {
      await peer(["docker", "pull", "-q", at]);
      const lists = `${debian.host}/tools/index@${index.digest}`;
      const raw = await peer(["docker", "buildx", "imagetools", "inspect", "--raw", lists]);
      expect((JSON.parse(raw) as { manifests: object[] }).manifests).toHaveLength(2);
      await peer([...namespace, "content", "fetch", "--plain-http", at]);
    } finally {
      spawnSync(peers, ["run", "docker", "rmi", "-f", at]);
      spawnSync(peers, ["run", ...namespace, "images", "rm", "--sync", at]);
      spawnSync(peers, ["run", ...containerd, "namespaces", "rm", "whittle-registry-test"]);
    }
  });
});
