import { execFileSync, type SpawnSyncReturns, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Descriptor,
  mediaTypes,
  parsePlatform,
  platformsOf,
  writeArtifact,
  writeImage,
  writeIndex,
  writeLayer,
} from "../src/image/index.ts";
import { bytesContent, fileContent, quietWork } from "../src/io/index.ts";
import { openStore, readFrom, type Store, writeTo } from "../src/store/index.ts";
import { attributes, treeOf } from "../src/tree/index.ts";

// What other tools of the field make of what we write, and we of what they write. All are Debian packages:
// skopeo podman runc umoci, and busybox-static for something to run.
// In lower case, because podman makes an image's name of a layout's path.
const directory = join(tmpdir(), `whittle-e2e-${process.pid}`);
mkdirSync(directory, { recursive: true });
const work = quietWork;
const at = (name: string): string => join(directory, name);
const busybox = "busybox-static/bin/busybox";
let store: Store;
let image: Descriptor;
let index: Descriptor;
let reasons: Descriptor;

function run(command: string, ...args: string[]): string {
  const result: SpawnSyncReturns<string> = spawnSync(command, args, { encoding: "utf8", cwd: directory });
  const { status, error, stderr } = result;
  expect({
    command: [command, ...args].join(" "),
    status,
    error,
    stderr: status === 0 ? "" : stderr,
  }).toEqual({
    command: [command, ...args].join(" "),
    status: 0,
    error: undefined,
    stderr: "",
  });
  return result.stdout;
}

/** Of a storage of its own, and with limits that need no privilege to set. */
function podman(...args: string[]): string {
  const storage = [
    "--root",
    at("podman"),
    "--runroot",
    at("podman-run"),
    "--storage-driver",
    "vfs",
    "--runtime",
    "runc",
  ];
  return run("podman", ...storage, ...args);
}

const inContainer = [
  "run",
  "--rm",
  "--network=host",
  "--ulimit",
  "nofile=1024:1024",
  "--ulimit",
  "nproc=1024:1024",
];

interface Inspected {
  readonly Digest: string;
  readonly Architecture: string;
  readonly Os: string;
  readonly Layers: readonly string[];
  readonly Labels: Record<string, string> | null;
}

function skopeoInspect(reference: string, ...args: string[]): Inspected {
  return JSON.parse(run("skopeo", "inspect", ...args, reference)) as Inspected;
}

beforeAll(async () => {
  execFileSync("apt-get", ["download", "busybox-static"], { cwd: directory, stdio: "ignore" });
  const deb = readdirSync(directory).find((name) => name.endsWith(".deb"));
  run("dpkg-deb", "-x", deb ?? "", "busybox-static");
  store = await openStore(at("store"), { create: true });
  const tree = treeOf([
    [
      "/bin/busybox",
      { type: "file", ...attributes(0o755), content: fileContent(at(busybox), statSync(at(busybox)).size) },
    ],
    ["/bin/sh", { type: "symlink", ...attributes(0o777), target: "busybox" }],
    [
      "/etc/passwd",
      { type: "file", ...attributes(0o644), content: bytesContent("web:x:10001:10001::/:/bin/sh\n") },
    ],
    ["/var/log", { type: "directory", ...attributes(0o755, { uid: 10001, gid: 10001 }) }],
  ]);
  const files = treeOf([
    ["/srv/data", { type: "file", ...attributes(0o644), content: bytesContent("data\n") }],
  ]);
  const layers = [await writeLayer(tree, store, { work }), await writeLayer(files, store, { work })];
  const forPlatform = (platform: string): Promise<Descriptor> =>
    writeImage(store, {
      platform: parsePlatform(platform),
      config: {
        Entrypoint: ["/bin/sh", "-c"],
        Cmd: ["cat /srv/data; id -u; echo x > /var/log/x && echo written"],
        User: "10001",
        Labels: { "org.example": "yes" },
      },
      layers,
      history: [{ created_by: "packages" }, { created_by: "files" }],
    });
  image = await forPlatform("linux/amd64");
  index = await writeIndex(store, [
    image,
    await forPlatform("linux/arm64"),
    await forPlatform("linux/arm/v5"),
  ]);
  reasons = await writeArtifact(store, {
    artifactType: mediaTypes.reasons,
    subject: image,
    blobs: [{ mediaType: mediaTypes.reasons, content: bytesContent("{}") }],
  });
  await store.tag("bar/s0:1", image);
  await store.tag("bar/all:1", index);
  await store.attach(reasons);
  const names = ["bar/s0:1"];
  const referrers = [reasons];
  await writeTo(`oci:${at("layout")}`, store, image, work, { names, referrers });
  await writeTo(`oci:${at("all")}`, store, index, work);
  await writeTo(`oci-archive:${at("oci.tar")}`, store, image, work, { names });
  await writeTo(`docker-archive:${at("docker.tar")}`, store, image, work, { names, referrers });
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("skopeo", () => {
  it("inspects what we write, with and without a name", () => {
    const references = [
      `oci:${at("layout")}`,
      `oci:${at("layout")}:bar/s0:1`,
      `oci:${at("store")}:bar/s0:1`,
      `oci-archive:${at("oci.tar")}`,
      `oci-archive:${at("docker.tar")}`,
    ];
    for (const reference of references) {
      const found = skopeoInspect(reference);
      expect(found).toMatchObject({ Digest: image.digest, Architecture: "amd64", Os: "linux" });
      expect(found.Labels).toEqual({ "org.example": "yes" });
      expect(found.Layers).toHaveLength(2);
    }
    expect(skopeoInspect(`docker-archive:${at("docker.tar")}`)).toMatchObject({ Architecture: "amd64" });
    expect(skopeoInspect(`docker-archive:${at("docker.tar")}:bar/s0:1`).Layers).toHaveLength(2);
  });

  it("chooses a platform from what we write", () => {
    const all = `oci:${at("all")}`;
    expect(skopeoInspect(all, "--override-arch", "arm64").Architecture).toBe("arm64");
    expect(skopeoInspect(all, "--override-arch", "arm", "--override-variant", "v7").Architecture).toBe("arm");
    expect(skopeoInspect(`oci:${at("store")}:bar/all:1`, "--override-arch", "arm64").Architecture).toBe(
      "arm64",
    );
  });

  it("copies what we write, and we read the copy", async () => {
    run("skopeo", "copy", "--all", `oci:${at("all")}`, `oci:${at("copied")}:x`);
    const copied = await readFrom(`oci:${at("copied")}:x`, work);
    expect(copied.descriptor.digest).toBe(index.digest);
    expect(await platformsOf(copied.source, copied.descriptor)).toHaveLength(3);
    run("skopeo", "copy", `oci:${at("layout")}`, `oci-archive:${at("copied.tar")}:bar/s0:1`);
    const archived = await readFrom(`oci-archive:${at("copied.tar")}:bar/s0:1`, work);
    expect(archived.descriptor.digest).toBe(image.digest);
    await writeTo("copied:1", archived.source, archived.descriptor, work, { store });
    // Another program's docker-archive: layers unpacked, no manifest inside.
    run("skopeo", "copy", `oci:${at("layout")}`, `docker-archive:${at("converted.tar")}:bar/s0:1`);
    const converted = await readFrom(`docker-archive:${at("converted.tar")}:bar/s0:1`, work);
    expect(converted.name).toBe("docker.io/bar/s0:1");
    await writeTo("converted:1", converted.source, converted.descriptor, work, { store });
    expect(await platformsOf(store, converted.descriptor)).toHaveLength(1);
    for await (const problem of store.verify(work)) expect(problem).toBeUndefined();
  });
});

describe("podman", () => {
  it.each(["docker.tar", "oci.tar", "layout"])("loads and runs %s", (name) => {
    const loaded = podman("load", "-i", at(name));
    const reference = /Loaded image: (\S+)/.exec(loaded)?.[1] ?? "";
    expect(reference).toMatch(name === "layout" ? /^localhost\// : /bar\/s0:1$/);
    expect(podman(...inContainer, reference)).toBe("data\n10001\nwritten\n");
    podman("rmi", "--force", reference);
  });
});

describe("zstd", () => {
  // umoci 0.4 does not know it.
  it("is read by skopeo and podman", async () => {
    const packed = await writeLayer(
      treeOf([
        [
          "/bin/busybox",
          {
            type: "file",
            ...attributes(0o755),
            content: fileContent(at(busybox), statSync(at(busybox)).size),
          },
        ],
      ]),
      store,
      { work, compression: { type: "zstd" } },
    );
    const config = { Entrypoint: ["/bin/busybox", "echo", "packed"] };
    const small = await writeImage(store, {
      platform: parsePlatform("linux/amd64"),
      config,
      layers: [packed],
    });
    await writeTo(`oci-archive:${at("zstd.tar")}`, store, small, work, { names: ["zstd:1"] });
    expect(skopeoInspect(`oci-archive:${at("zstd.tar")}`).Layers).toEqual([packed.descriptor.digest]);
    podman("load", "-i", at("zstd.tar"));
    expect(podman(...inContainer, "localhost/zstd:1")).toBe("packed\n");
  });
});

describe("umoci", () => {
  it("unpacks what we write", () => {
    run("umoci", "unpack", "--image", `${at("layout")}:bar/s0:1`, at("unpacked"));
    expect(readFileSync(at("unpacked/rootfs/srv/data"), "utf8")).toBe("data\n");
    expect(statSync(at("unpacked/rootfs/var/log"))).toMatchObject({ uid: 10001, gid: 10001 });
    expect(run("umoci", "ls", "--layout", at("store"))).toContain("bar/s0:1");
    expect(run("umoci", "stat", "--image", `${at("store")}:bar/s0:1`)).toContain("packages");
  });

  it("adds to a layout that we wrote, and we read it", async () => {
    await writeTo(`oci:${at("shared")}:first`, store, image, work);
    run("umoci", "tag", "--image", `${at("shared")}:first`, "second");
    run("umoci", "config", "--image", `${at("shared")}:first`, "--config.user", "0");
    const second = await readFrom(`oci:${at("shared")}:second`, work);
    const first = await readFrom(`oci:${at("shared")}:first`, work);
    expect(second.descriptor.digest).toBe(image.digest);
    expect(first.descriptor.digest).not.toBe(image.digest);
    expect(await platformsOf(first.source, first.descriptor)).toHaveLength(1);
  });
});

describe("tar", () => {
  it("lists a root file system that we write", async () => {
    await writeTo(`tar:${at("root.tar")}`, store, image, work);
    const listed = run("tar", "--numeric-owner", "-tvf", at("root.tar"));
    expect(listed).toMatch(/^drwxr-xr-x 10001\/10001 .* var\/log\/$/m);
    expect(listed).toMatch(/^lrwxrwxrwx 0\/0 .* bin\/sh -> busybox$/m);
    await writeTo(`rootfs:${at("root")}`, store, image, work);
    expect(run("chroot", at("root"), "/bin/busybox", "cat", "/srv/data")).toBe("data\n");
    expect(existsSync(at("root/var/log"))).toBe(true);
  });
});
