import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import {
  type BlobSource,
  type Descriptor,
  mediaTypes,
  openImage,
  parsePlatform,
  platformsOf,
  reachable,
  readTree,
} from "../image/index.ts";
import { bytesContent, quietWork, readContent, readText } from "../io/index.ts";
import { writeTar } from "../tar/index.ts";
import { attributes, type Tree, treeOf } from "../tree/index.ts";
import { attachedTo } from "./opened.ts";
import { sampleImage, sampleIndex, sampleReasons } from "./sample-image.contract.ts";
import { openStore, type Store } from "./store.ts";
import { temporaryDirectory } from "./temporary.contract.ts";
import { readFrom, writeTo } from "./transports.ts";

const work = quietWork;

async function newStore(): Promise<Store> {
  return openStore(join(temporaryDirectory(), "store"), { create: true });
}

/** A tree as a map that a person can compare: path → what is there. */
async function shown(tree: Tree): Promise<Record<string, string>> {
  const lines: Record<string, string> = {};
  for (const [path, entry] of tree.entries()) {
    const owner = `${entry.mode.toString(8)} ${entry.uid}:${entry.gid} ${entry.mtime}`;
    const what =
      entry.type === "file"
        ? createHash("sha256")
            .update(await readContent(entry.content))
            .digest("hex")
            .slice(0, 12)
        : entry.type === "symlink"
          ? entry.target
          : "";
    lines[path] = `${entry.type} ${owner} ${what}`;
  }
  return lines;
}

async function filesOf(source: BlobSource, descriptor: Descriptor): Promise<Record<string, string>> {
  const image = await openImage(source, descriptor);
  return shown(await readTree(image, { unpacked: temporaryDirectory(), work }));
}

async function digests(source: BlobSource, descriptor: Descriptor): Promise<string[]> {
  const found: string[] = [];
  for await (const item of reachable(source, descriptor)) {
    for await (const _chunk of (await source.blob(item)).open());
    found.push(item.digest);
  }
  return found.sort();
}

/** Every file below a path with its bytes' digest. */
function snapshot(path: string): Record<string, string> {
  if (statSync(path).isFile()) return { ".": createHash("sha256").update(readFileSync(path)).digest("hex") };
  const found: Record<string, string> = {};
  for (const name of readdirSync(path, { recursive: true, encoding: "utf8" }).sort()) {
    const at = join(path, name);
    if (statSync(at).isFile()) found[name] = createHash("sha256").update(readFileSync(at)).digest("hex");
  }
  return found;
}

const forms = ["oci", "oci-archive", "docker-archive"] as const;
const several = ["oci", "oci-archive"] as const;

describe.each(forms)("the transport %s", (form) => {
  it("gives back the image that was put in, byte for byte", async () => {
    const store = await newStore();
    const image = await sampleImage(store);
    const reference = `${form}:${join(temporaryDirectory(), "out")}`;
    await writeTo(reference, store, image, work, { names: ["bar/s0:1"] });
    const opened = await readFrom(reference, work);
    expect(opened.descriptor).toEqual(image);
    expect(opened.name).toBe("bar/s0:1");
    expect(await digests(opened.source, opened.descriptor)).toEqual(await digests(store, image));
    expect(await filesOf(opened.source, opened.descriptor)).toEqual(await filesOf(store, image));
    const back = await newStore();
    await writeTo("again:1", opened.source, opened.descriptor, work, { store: back });
    expect((await back.resolve("again:1"))?.digest).toBe(image.digest);
    await opened.close();
  });

  it("writes the same bytes for the same image", async () => {
    const store = await newStore();
    const image = await sampleImage(store);
    const [a, b] = [join(temporaryDirectory(), "a"), join(temporaryDirectory(), "b")];
    for (const path of [a, b])
      await writeTo(`${form}:${path}`, store, image, work, { names: ["x:1", "a/b:2"] });
    expect(snapshot(a)).toEqual(snapshot(b));
    await writeTo(`${form}:${a}`, store, image, work, { names: ["x:1", "a/b:2"] });
    expect(snapshot(a)).toEqual(snapshot(b));
  });

  it("finds an image by its name", async () => {
    const store = await newStore();
    const image = await sampleImage(store);
    const path = join(temporaryDirectory(), "out");
    await writeTo(`${form}:${path}`, store, image, work, { names: ["x:1", "a/b:2"] });
    for (const name of ["x:1", "docker.io/library/x:1", ...(form === "docker-archive" ? ["a/b:2"] : [])]) {
      expect((await readFrom(`${form}:${path}:${name}`, work)).descriptor.digest).toBe(image.digest);
    }
    await expect(readFrom(`${form}:${path}:none:1`, work)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("carries what was attached to the image", async () => {
    const store = await newStore();
    const image = await sampleImage(store);
    const reasons = await sampleReasons(store, image, "why");
    const reference = `${form}:${join(temporaryDirectory(), "out")}`;
    await writeTo(reference, store, image, work, { referrers: [reasons] });
    const opened = await readFrom(reference, work);
    const [found] = await opened.referrers(opened.descriptor, mediaTypes.reasons);
    expect(found).toEqual(reasons);
    expect(await digests(opened.source, found!)).toEqual(await digests(store, reasons));
    expect(await opened.referrers(reasons)).toEqual([]);
    expect(await opened.referrers(opened.descriptor, "other/type")).toEqual([]);
  });

  it("refuses every blob that is not what its name says", async () => {
    const store = await newStore();
    const image = await sampleImage(store);
    const path = join(temporaryDirectory(), "out");
    await writeTo(`${form}:${path}`, store, image, work);
    for await (const item of reachable(store, image)) {
      const name = item.digest.replace(":", "/");
      const restore = corrupt(path, form, name, await readContent(await store.blob(item)));
      const attempt = async (): Promise<unknown> => {
        const opened = await readFrom(`${form}:${path}`, work);
        return digests(opened.source, opened.descriptor);
      };
      await expect(attempt()).rejects.toMatchObject({ name: "WhittleError" });
      restore();
    }
    expect((await readFrom(`${form}:${path}`, work)).descriptor.digest).toBe(image.digest);
  });

  it("says what is wrong with what it is given", async () => {
    const directory = temporaryDirectory();
    const store = await newStore();
    const image = await sampleImage(store);
    await expect(readFrom(`${form}:${join(directory, "none")}`, work)).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    writeFileSync(join(directory, "junk"), Buffer.alloc(2000, "junk"));
    await expect(readFrom(`${form}:${join(directory, "junk")}`, work)).rejects.toMatchObject({
      name: "WhittleError",
    });
    await expect(
      writeTo(`${form}:${join(directory, "junk", "x")}`, store, image, work),
    ).rejects.toMatchObject({ name: "WhittleError" });
    expect(readdirSync(directory)).toEqual(["junk"]);
  });

  it("leaves what was there when writing fails", async () => {
    const store = await newStore();
    const image = await sampleImage(store);
    const next = await sampleImage(store, "linux/amd64", "next");
    const path = join(temporaryDirectory(), "out");
    await writeTo(`${form}:${path}`, store, image, work);
    const stopped = new AbortController();
    stopped.abort(new Error("stopped"));
    const interrupted = { progress: work.progress, signal: stopped.signal };
    await expect(writeTo(`${form}:${path}`, store, next, interrupted)).rejects.toThrow("stopped");
    const broken: BlobSource = {
      blob: async (item) =>
        item.mediaType === mediaTypes.layerGzip ? bytesContent("broken") : store.blob(item),
    };
    await expect(writeTo(`${form}:${path}`, broken, next, work)).rejects.toMatchObject({
      name: "WhittleError",
    });
    const opened = await readFrom(`${form}:${path}`, work);
    expect(await digests(opened.source, opened.descriptor)).toEqual(await digests(store, image));
    await expect(writeTo(`${form}:${path}.new`, broken, next, work)).rejects.toMatchObject({
      name: "WhittleError",
    });
    expect(readdirSync(join(path, ".."))).toEqual(["out"]);
  });
});

/** Flips a bit of a blob inside a layout or an archive; answers with how to put it right. */
function corrupt(path: string, form: string, name: string, blob: Buffer): () => void {
  const file = form === "oci" ? join(path, "blobs", name) : path;
  const good = readFileSync(file);
  const bad = Buffer.from(good);
  const at = form === "oci" ? 0 : good.indexOf(blob);
  expect(at).toBeGreaterThanOrEqual(0);
  bad[at + Math.floor(blob.length / 2)]! ^= 1;
  writeFileSync(file, bad);
  return () => writeFileSync(file, good);
}

describe.each(several)("the transport %s", (form) => {
  it("holds an image for several platforms", async () => {
    const store = await newStore();
    const index = await sampleIndex(store);
    const reference = `${form}:${join(temporaryDirectory(), "out")}`;
    await writeTo(reference, store, index, work);
    const opened = await readFrom(reference, work);
    expect(opened.descriptor).toEqual(index);
    expect(await platformsOf(opened.source, opened.descriptor)).toHaveLength(2);
    const [, arm] = await platformsOf(store, index);
    const reasons = await sampleReasons(store, arm!.descriptor);
    await writeTo(reference, store, index, work, { referrers: [reasons] });
    expect(await attachedTo(await readFrom(reference, work))).toEqual([reasons]);
    await writeTo(reference, store, index, work, { platform: parsePlatform("linux/arm64") });
    const one = await readFrom(reference, work);
    expect(one.descriptor.platform).toEqual({ os: "linux", architecture: "arm64", variant: "v8" });
  });
});

describe("docker-archive", () => {
  it("wants one platform", async () => {
    const store = await newStore();
    const index = await sampleIndex(store);
    const reference = `docker-archive:${join(temporaryDirectory(), "out.tar")}`;
    await expect(writeTo(reference, store, index, work)).rejects.toMatchObject({
      code: "PLATFORM_UNSUPPORTED",
      hint: expect.stringContaining("linux/amd64, linux/arm64"),
    });
    await writeTo(reference, store, index, work, { platform: parsePlatform("linux/amd64") });
    expect((await readFrom(reference, work)).descriptor.mediaType).toBe(mediaTypes.manifest);
  });

  it("reads what docker save wrote before version 25", async () => {
    const directory = temporaryDirectory();
    const layer = Buffer.concat(
      await collect(
        writeTar(
          treeOf([["/a", { type: "file", ...attributes(0o644), content: bytesContent("A") }]]).entries(),
        ),
      ),
    );
    const hex = createHash("sha256").update(layer).digest("hex");
    const config = JSON.stringify({
      os: "linux",
      architecture: "amd64",
      config: { Cmd: ["/a"], Volumes: null },
      rootfs: { type: "layers", diff_ids: [`sha256:${hex}`, `sha256:${hex}`] },
    });
    const files = treeOf([
      [
        "/manifest.json",
        {
          type: "file",
          ...attributes(0o644),
          content: bytesContent(
            JSON.stringify([
              { Config: "c.json", RepoTags: ["old:1"], Layers: ["one/layer.tar", "two/layer.tar"] },
            ]),
          ),
        },
      ],
      ["/c.json", { type: "file", ...attributes(0o644), content: bytesContent(config) }],
      ["/one/layer.tar", { type: "file", ...attributes(0o644), content: bytesContent(layer) }],
      ["/two/layer.tar", { type: "symlink", ...attributes(0o777), target: "../one/layer.tar" }],
    ]);
    const tar = Buffer.concat(await collect(writeTar(files.entries())));
    for (const [name, bytes] of [
      ["plain.tar", tar],
      ["packed.tar.gz", gzipSync(tar)],
    ] as const) {
      writeFileSync(join(directory, name), bytes);
      const opened = await readFrom(`docker-archive:${join(directory, name)}`, work, {
        temporary: directory,
      });
      expect(opened.name).toBe("old:1");
      const image = await openImage(opened.source, opened.descriptor);
      expect((await image.config()).config).toEqual({ Cmd: ["/a"] });
      expect(await filesOf(opened.source, opened.descriptor)).toEqual({
        "/a": expect.stringMatching(/^file 644 0:0 0 /),
      });
      await opened.close();
    }
    expect(readdirSync(directory).sort()).toEqual(["packed.tar.gz", "plain.tar"]);
  });

  it.each([
    ["no list", "{}"],
    ["no JSON", "{"],
    ["nothing in it", "[]"],
    ["a layer that is missing", '[{"Config":"c.json","Layers":["x"]}]'],
    ["a path out of the archive", '[{"Config":"../../../../etc/passwd","Layers":[]}]'],
    ["no layers", '[{"Config":"c.json"}]'],
  ])("refuses a manifest.json with %s", async (_name, manifest) => {
    const path = join(temporaryDirectory(), "x.tar");
    const file = (text: string) =>
      ({ type: "file", ...attributes(0o644), content: bytesContent(text) }) as const;
    const config = '{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}';
    const files = treeOf([
      ["/manifest.json", file(manifest)],
      ["/c.json", file(config)],
    ]);
    writeFileSync(path, Buffer.concat(await collect(writeTar(files.entries()))));
    await expect(readFrom(`docker-archive:${path}`, work)).rejects.toMatchObject({ name: "WhittleError" });
  });
});

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

describe("oci", () => {
  it("adds images by name, and replaces the only one", async () => {
    const store = await newStore();
    const [first, second] = [await sampleImage(store), await sampleImage(store, "linux/arm64")];
    const path = join(temporaryDirectory(), "layout");
    await writeTo(`oci:${path}`, store, first, work);
    await writeTo(`oci:${path}`, store, second, work);
    expect(readdirSync(path).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
    // Nothing is left of the first one.
    expect(readdirSync(join(path, "blobs", "sha256"))).toHaveLength((await digests(store, second)).length);
    await writeTo(`oci:${path}:first`, store, first, work);
    await writeTo(`oci:${path}:first`, store, first, work);
    expect((await readFrom(`oci:${path}:first`, work)).descriptor.digest).toBe(first.digest);
    await expect(readFrom(`oci:${path}`, work)).rejects.toMatchObject({ code: "REFERENCE_INVALID" });
    await expect(writeTo(`oci:${path}`, store, second, work)).rejects.toMatchObject({
      code: "STORE_INVALID",
    });
  });

  it("has exactly one descriptor for a build of one platform", async () => {
    const store = await newStore();
    const image = await sampleImage(store);
    const path = join(temporaryDirectory(), "layout");
    await writeTo(`oci:${path}`, store, image, work, { referrers: [await sampleReasons(store, image)] });
    const { manifests } = JSON.parse(readFileSync(join(path, "index.json"), "utf8")) as {
      manifests: unknown[];
    };
    expect(manifests).toEqual([image]);
  });

  it("does not write into a directory of somebody else's", async () => {
    const store = await newStore();
    const path = temporaryDirectory();
    mkdirSync(join(path, "holiday"));
    await expect(writeTo(`oci:${path}`, store, await sampleImage(store), work)).rejects.toMatchObject({
      code: "STORE_INVALID",
    });
    expect(readdirSync(path)).toEqual(["holiday"]);
  });
});

describe("files alone", () => {
  it("are written as an archive and read back as an image of one layer", async () => {
    const store = await newStore();
    const image = await sampleImage(store);
    const [path, again] = [join(temporaryDirectory(), "root.tar"), join(temporaryDirectory(), "root.tar")];
    await writeTo(`tar:${path}`, store, image, work);
    await writeTo(`tar:${again}`, store, image, work);
    expect(snapshot(path)).toEqual(snapshot(again));
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
    for (const reference of [`tar:${path}`, `tar:${path}.gz`]) {
      const opened = await readFrom(reference, work, { platform: parsePlatform("linux/s390x") });
      expect(await filesOf(opened.source, opened.descriptor)).toEqual(await filesOf(store, image));
      expect(opened.descriptor.platform).toEqual({ os: "linux", architecture: "s390x" });
    }
  });

  it("of several platforms lie side by side", async () => {
    const store = await newStore();
    const path = join(temporaryDirectory(), "root.tar");
    await writeTo(`tar:${path}`, store, await sampleIndex(store), work);
    const opened = await readFrom(`tar:${path}`, work);
    const paths = Object.keys(await filesOf(opened.source, opened.descriptor));
    expect(paths).toContain("/linux_amd64/srv/data");
    expect(paths).toContain("/linux_arm64/srv/data");
  });

  it.runIf(process.getuid?.() === 0)("are written as a directory and read back", async () => {
    const store = await newStore();
    const image = await sampleImage(store);
    const path = join(temporaryDirectory(), "root");
    await writeTo(`rootfs:${path}`, store, image, work);
    expect(readFileSync(join(path, "etc", "alias"), "utf8")).toBe("hi linux/amd64\n");
    const opened = await readFrom(`rootfs:${path}`, work);
    const found = await filesOf(opened.source, opened.descriptor);
    expect(Object.keys(found)).toEqual(Object.keys(await filesOf(store, image)));
    expect(found["/var/log"]).toMatch(/^directory 1777 10001:10001/);
    await opened.close();
  });
});

describe("names", () => {
  it("are looked up in the store", async () => {
    const store = await newStore();
    const image = await sampleImage(store);
    const reasons = await sampleReasons(store, image);
    await writeTo("x", store, image, work, { store, referrers: [reasons] });
    const opened = await readFrom("x", work, { store });
    expect(opened.descriptor).toEqual(image);
    expect(await opened.referrers(opened.descriptor)).toEqual([reasons]);
    expect((await readFrom(image.digest.slice(0, 17), work, { store })).descriptor).toEqual(image);
    expect(await readText(await opened.source.blob(image))).toContain(mediaTypes.manifest);
    await expect(readFrom("y", work, { store })).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(readFrom("docker://x", work, { store })).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(existsSync(store.directory)).toBe(true);
    rmSync(store.directory, { recursive: true });
  });
});
