import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  bytesContent,
  type Content,
  type Digest,
  quietWork,
  readText,
  sha256,
  verified,
  WhittleError,
} from "../io/index.ts";
import { attributes, treeOf } from "../tree/index.ts";
import { type ImageParts, writeArtifact, writeImage, writeIndex } from "./assemble.ts";
import { readConfig, readIndex, readManifest } from "./documents.ts";
import { openImage, platformsOf } from "./image.ts";
import { writeLayer } from "./layer.ts";
import { formatPlatform, parsePlatform } from "./platform.ts";
import { readTree } from "./read-tree.ts";
import { type BlobSink, type BlobSource, type Descriptor, mediaTypes } from "./types.ts";
import { copyReachable, reachable } from "./walk.ts";

/** Blobs in memory; every access is noted. */
class Memory implements BlobSink, BlobSource {
  readonly blobs = new Map<string, Uint8Array>();
  readonly read: string[] = [];

  async has(digest: Digest): Promise<boolean> {
    return this.blobs.has(digest);
  }

  async add(stream: AsyncIterable<Uint8Array>, expected: { digest?: Digest; size?: number } = {}) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of verified(stream, { what: "a blob", ...expected }))
      chunks.push(Buffer.from(chunk));
    const bytes = Buffer.concat(chunks);
    const digest = sha256(bytes);
    this.blobs.set(digest, bytes);
    return { digest, size: bytes.length };
  }

  async blob({ digest }: Descriptor): Promise<Content> {
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) throw new WhittleError("STORE_INVALID", "Cannot read a blob: it is not there");
    this.read.push(digest);
    return bytesContent(bytes, digest);
  }
}

const file = (text: string) => ({ type: "file", ...attributes(0o644), content: bytesContent(text) }) as const;

async function parts(sink: BlobSink, platform: string, more: Partial<ImageParts> = {}): Promise<ImageParts> {
  const tree = treeOf([["/a", file(platform)]]);
  return {
    platform: parsePlatform(platform),
    config: { Cmd: ["/a"] },
    layers: [await writeLayer(tree, sink, { work: quietWork })],
    ...more,
  };
}

async function imageOf(
  sink: BlobSink,
  platform: string,
  more: Partial<ImageParts> = {},
): Promise<Descriptor> {
  return writeImage(sink, await parts(sink, platform, more));
}

describe("writeImage", () => {
  it("writes documents whose bytes depend on what they say only", async () => {
    const memory = new Memory();
    const image = await imageOf(memory, "linux/amd64", {
      config: { User: "1", Cmd: ["/a"] },
      annotations: { b: "1", a: "2" },
    });
    const again = await imageOf(memory, "linux/amd64", {
      annotations: { a: "2", b: "1" },
      config: { Cmd: ["/a"], User: "1" },
    });
    expect(again).toEqual(image);
    const text = await readText(await memory.blob(image));
    // Sorted keys, no white space: anybody can compute the digest again.
    const { config, layers } = await readManifest(memory, image);
    expect(text).toBe(
      `{"annotations":{"a":"2","b":"1"},"config":{"digest":"${config.digest}","mediaType":"${mediaTypes.config}","size":${config.size}},"layers":[{"digest":"${layers[0]?.digest}","mediaType":"${mediaTypes.layerGzip}","size":${layers[0]?.size}}],"mediaType":"${mediaTypes.manifest}","schemaVersion":2}`,
    );
    expect(image).toEqual({
      mediaType: mediaTypes.manifest,
      digest: `sha256:${createHash("sha256").update(text).digest("hex")}`,
      size: Buffer.byteLength(text),
      platform: { os: "linux", architecture: "amd64" },
    });
  });

  it("states the platform with its variant", async () => {
    const memory = new Memory();
    for (const [platform, wanted] of [
      ["linux/arm/v5", { os: "linux", architecture: "arm", variant: "v5" }],
      ["linux/arm/v6", { os: "linux", architecture: "arm", variant: "v6" }],
      ["linux/arm/v7", { os: "linux", architecture: "arm", variant: "v7" }],
      ["linux/arm64", { os: "linux", architecture: "arm64", variant: "v8" }],
    ] as const) {
      const image = await imageOf(memory, platform);
      expect(image.platform).toEqual(wanted);
      const config = await readConfig(memory, (await readManifest(memory, image)).config);
      expect(config).toMatchObject(wanted);
      expect(formatPlatform(config)).toBe(platform);
    }
  });

  it("invents no date", async () => {
    const memory = new Memory();
    const dates = async (image: Descriptor): Promise<unknown> => {
      const { created, history } = await readConfig(memory, (await readManifest(memory, image)).config);
      return [created, ...(history ?? []).map((line) => line.created)];
    };
    const history = [
      { created_by: "a" },
      { created_by: "b", empty_layer: true, created: "2001-02-03T04:05:06Z" },
    ];
    expect(await dates(await imageOf(memory, "linux/amd64", { history }))).toEqual([
      "1970-01-01T00:00:00Z",
      "1970-01-01T00:00:00Z",
      "2001-02-03T04:05:06Z",
    ]);
    const created = "2020-01-01T00:00:00Z";
    expect(await dates(await imageOf(memory, "linux/amd64", { history, created }))).toEqual([
      created,
      created,
      "2001-02-03T04:05:06Z",
    ]);
  });

  it("refuses a history of other layers", async () => {
    await expect(imageOf(new Memory(), "linux/amd64", { history: [] })).rejects.toMatchObject({
      code: "INTERNAL",
    });
  });

  it("makes an image of configuration only readable for everybody", async () => {
    const memory = new Memory();
    const image = await openImage(memory, await imageOf(memory, "linux/amd64", { layers: [] }));
    expect(await image.layers()).toHaveLength(1);
    const unpacked = mkdtempSync(join(tmpdir(), "whittle-test-"));
    onTestFinished(() => rmSync(unpacked, { recursive: true }));
    expect((await readTree(image, { unpacked, work: quietWork })).size).toBe(0);
  });
});

describe("openImage", () => {
  it("chooses by platform, and lists what there is when it cannot", async () => {
    const memory = new Memory();
    const index = await writeIndex(memory, [
      await imageOf(memory, "linux/arm64"),
      await imageOf(memory, "linux/arm/v6"),
    ]);
    const platform = async (wanted: string): Promise<string> =>
      formatPlatform(await (await openImage(memory, index, parsePlatform(wanted))).platform());
    expect(await platform("linux/arm64/v8")).toBe("linux/arm64");
    expect(await platform("linux/arm/v7")).toBe("linux/arm/v6");
    await expect(platform("linux/arm/v5")).rejects.toMatchObject({
      code: "PLATFORM_UNSUPPORTED",
      hint: "it has linux/arm64, linux/arm/v6",
    });
    const single = await imageOf(memory, "linux/s390x");
    await expect(openImage(memory, single, parsePlatform("amd64"))).rejects.toMatchObject({
      code: "PLATFORM_UNSUPPORTED",
      message: `Cannot use ${single.digest} for linux/amd64: it has no image for that platform`,
    });
    await expect(openImage(memory, single, parsePlatform("amd64"), "team/api:1")).rejects.toThrow(
      "Cannot use team/api:1 for linux/amd64: it has no image for that platform",
    );
    expect(await (await openImage(memory, single)).platform()).toEqual({
      os: "linux",
      architecture: "s390x",
    });
    const lonely = await writeIndex(memory, [single]);
    expect((await openImage(memory, lonely)).descriptor).toEqual(single);
  });

  it("reads nothing before it is asked, and nothing twice", async () => {
    const memory = new Memory();
    const image = await openImage(memory, await imageOf(memory, "linux/amd64"));
    expect(memory.read).toEqual([]);
    await Promise.all([image.config(), image.manifest(), image.layers(), image.config()]);
    expect(memory.read).toHaveLength(2);
  });

  it("passes over what is no image", async () => {
    const memory = new Memory();
    const image = await imageOf(memory, "linux/amd64");
    const blobs = [{ mediaType: "a/b", content: bytesContent("{}") }];
    const artifact = await writeArtifact(memory, { artifactType: "a/b", subject: image, blobs });
    // BuildKit puts attestations into the index under this platform.
    const attestation = { ...image, platform: { os: "unknown", architecture: "unknown" } };
    const inner = await writeIndex(memory, [await imageOf(memory, "linux/riscv64")]);
    const index = await writeIndex(memory, [image, attestation, inner, artifact]);
    const found = await platformsOf(memory, index);
    expect(found.map((item) => formatPlatform(item.platform))).toEqual(["linux/amd64", "linux/riscv64"]);
  });

  it("is not led astray by indexes that name each other twice", async () => {
    const memory = new Memory();
    let inner = await writeIndex(memory, [await imageOf(memory, "linux/amd64")]);
    for (let depth = 0; depth < 40; depth++) inner = await writeIndex(memory, [inner, inner]);
    expect(await platformsOf(memory, inner)).toHaveLength(1);
  });

  it("takes the platform from the configuration where the index is silent", async () => {
    const memory = new Memory();
    const { platform: _platform, ...silent } = await imageOf(memory, "linux/arm/v7");
    const [found] = await platformsOf(memory, await writeIndex(memory, [silent]));
    expect(found && formatPlatform(found.platform)).toBe("linux/arm/v7");
  });

  it("refuses a manifest and a configuration that count differently", async () => {
    const memory = new Memory();
    const manifest = await readManifest(memory, await imageOf(memory, "linux/amd64"));
    const twice = Buffer.from(
      JSON.stringify({ ...manifest, layers: [...manifest.layers, ...manifest.layers] }),
    );
    const added = await memory.add(bytesContent(twice).open());
    const image = await openImage(memory, { mediaType: mediaTypes.manifest, ...added });
    await expect(image.layers()).rejects.toMatchObject({ code: "IMAGE_INVALID" });
  });
});

describe("readTree", () => {
  it("applies layers upwards and says which one an entry is from", async () => {
    const memory = new Memory();
    const work = quietWork;
    const lower = treeOf([
      ["/a", file("lower")],
      ["/b/c", file("gone")],
    ]);
    const added = treeOf([["/a", file("upper")]]);
    const layers = [
      await writeLayer(lower, memory, { work }),
      await writeLayer({ added, removed: ["/b/c"], opaque: [] }, memory, {
        work,
        compression: { type: "zstd" },
      }),
    ];
    const history = [
      { created_by: "first" },
      { created_by: "ENV x", empty_layer: true },
      { created_by: "second" },
    ];
    const image = await openImage(memory, await imageOf(memory, "linux/amd64", { layers, history }));
    const unpacked = mkdtempSync(join(tmpdir(), "whittle-test-"));
    onTestFinished(() => rmSync(unpacked, { recursive: true }));
    const tree = await readTree(image, { unpacked, work });
    expect([...tree.entries()].map(([path]) => path)).toEqual(["/a", "/b"]);
    const entry = tree.get("/a");
    expect(entry?.type === "file" && (await readText(entry.content))).toBe("upper");
    expect(entry?.origin).toEqual({
      kind: "layer",
      digest: layers[1]?.descriptor.digest,
      index: 1,
      createdBy: "second",
    });
    const before = memory.read.length;
    await readTree(image, { unpacked, work });
    expect(memory.read.length).toBe(before);
    expect(readdirSync(unpacked)).toHaveLength(2);
  });

  it("refuses a layer that is not what the configuration promises", async () => {
    const memory = new Memory();
    const work = quietWork;
    const [good] = (await parts(memory, "linux/amd64")).layers;
    const layers = [{ ...good!, diffId: sha256("something else") }];
    const image = await openImage(memory, await imageOf(memory, "linux/amd64", { layers }));
    const unpacked = mkdtempSync(join(tmpdir(), "whittle-test-"));
    onTestFinished(() => rmSync(unpacked, { recursive: true }));
    await expect(readTree(image, { unpacked, work })).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
    expect(readdirSync(unpacked)).toEqual([]);
  });
});

describe("copying", () => {
  it("never shows a document before what it names", async () => {
    const memory = new Memory();
    const shared = await imageOf(memory, "linux/amd64");
    const index = await writeIndex(memory, [shared, await imageOf(memory, "linux/arm64"), shared]);
    const order: string[] = [];
    for await (const item of reachable(memory, index)) order.push(item.digest);
    expect(new Set(order).size).toBe(order.length);
    expect(order.at(-1)).toBe(index.digest);
    for (const { digest } of (await readIndex(memory, index)).manifests) {
      const manifest = await readManifest(memory, { mediaType: mediaTypes.manifest, digest, size: 0 });
      for (const { digest: blob } of [manifest.config, ...manifest.layers]) {
        expect(order.indexOf(blob)).toBeLessThan(order.indexOf(digest));
      }
    }
    const other = new Memory();
    await copyReachable(memory, index, other);
    expect([...other.blobs.keys()]).toEqual(order);
    memory.read.length = 0;
    await copyReachable(memory, index, other);
    // Documents only: what is there is not read again.
    expect(memory.read.every((digest) => [index.digest, ...order].includes(digest as Digest))).toBe(true);
    expect(memory.read).toHaveLength(3);
  });

  it("refuses every blob that was changed on the way", async () => {
    const memory = new Memory();
    const index = await writeIndex(memory, [await imageOf(memory, "linux/amd64")]);
    for await (const item of reachable(memory, index)) {
      const good = memory.blobs.get(item.digest) ?? Buffer.alloc(0);
      for (const at of [0, good.length >> 1, good.length - 1]) {
        const bad = Buffer.from(good);
        bad[at]! ^= 1;
        memory.blobs.set(item.digest, bad);
        await expect(copyReachable(memory, index, new Memory())).rejects.toMatchObject({
          name: "WhittleError",
        });
      }
      memory.blobs.set(item.digest, good);
    }
    await copyReachable(memory, index, new Memory());
  });

  it("gives up on indexes that nest without end", async () => {
    const memory = new Memory();
    let inner = await imageOf(memory, "linux/amd64");
    for (let depth = 0; depth < 12; depth++) inner = await writeIndex(memory, [inner]);
    await expect(copyReachable(memory, inner, new Memory())).rejects.toMatchObject({ code: "IMAGE_INVALID" });
  });
});
