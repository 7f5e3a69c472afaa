import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Descriptor,
  mediaTypes,
  parsePlatform,
  writeArtifact,
  writeImage,
  writeIndex,
  writeLayer,
} from "../../image/index.ts";
import { bytesContent, digestHex, quietWork } from "../../io/index.ts";
import { openStore, writeTo } from "../../store/index.ts";
import { attributes, treeOf } from "../../tree/index.ts";

const directory = mkdtempSync(join(tmpdir(), "whittle-verbs-"));
const storeDirectory = join(directory, "store");
const program = `const { main } = await import(${JSON.stringify(new URL("../main.ts", import.meta.url).href)});
await main(process.argv.slice(1));`;

function whittle(...args: string[]): { status: number | null; out: string; err: string } {
  const all = [
    "--input-type=module",
    "-e",
    program,
    "--",
    "--store",
    storeDirectory,
    "--progress",
    "quiet",
    ...args,
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: "utf8", cwd: directory });
  return { status, out: stdout, err: stderr };
}

function json(...args: string[]): unknown {
  const { status, out, err } = whittle(...args, "--format", "json");
  expect({ status, err }).toEqual({ status: 0, err: "" });
  return JSON.parse(out);
}

let image: Descriptor;
let index: Descriptor;

beforeAll(async () => {
  const work = quietWork;
  const store = await openStore(storeDirectory, { create: true });
  const tree = treeOf([["/a", { type: "file", ...attributes(0o644), content: bytesContent("a") }]]);
  const layer = await writeLayer(tree, store, { work });
  const forPlatform = (platform: string): Promise<Descriptor> =>
    writeImage(store, {
      platform: parsePlatform(platform),
      config: { Cmd: ["/a"], User: "10001", Labels: { platform } },
      layers: [layer],
      history: [{ created_by: "files" }],
      annotations: { "org.example.key": "value" },
    });
  image = await forPlatform("linux/amd64");
  index = await writeIndex(store, [image, await forPlatform("linux/arm64")]);
  await store.tag("one:1", image);
  await store.tag("all:1", index);
  const reasons = await writeArtifact(store, {
    artifactType: mediaTypes.reasons,
    subject: image,
    blobs: [{ mediaType: mediaTypes.reasons, content: bytesContent("{}") }],
  });
  await store.attach(reasons);
  await writeTo(`oci:${join(directory, "layout")}`, store, image, work, { referrers: [reasons] });
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("whittle images", () => {
  it("lists names, digests, platforms and sizes", () => {
    expect(json("images")).toEqual([
      {
        reference: "all:1",
        digest: index.digest,
        platforms: ["linux/amd64", "linux/arm64"],
        size: expect.any(Number),
      },
      { reference: "one:1", digest: image.digest, platforms: ["linux/amd64"], size: expect.any(Number) },
    ]);
    expect(whittle("images", "one").out).toMatch(
      /^REFERENCE +DIGEST +SIZE +PLATFORMS\none:1 +[0-9a-f]{12} +\S+ k?B +linux\/amd64\n$/,
    );
    expect(whittle("images", "-q", "one").out).toBe(`${image.digest}\n`);
    expect(json("images", "nothing")).toEqual([]);
  });
});

describe("whittle inspect", () => {
  const described = {
    platform: "linux/amd64",
    created: "1970-01-01T00:00:00Z",
    config: { Cmd: ["/a"], User: "10001", Labels: { platform: "linux/amd64" } },
    layers: [{ mediaType: mediaTypes.layerGzip, createdBy: "files", size: expect.any(Number) }],
    annotations: { "org.example.key": "value" },
    referrers: [{ artifactType: mediaTypes.reasons }],
  };

  it.each(["one:1", "docker.io/library/one:1", "oci:layout"])("shows %s", (reference) => {
    expect(json("inspect", reference)).toMatchObject({
      reference,
      digest: image.digest,
      images: [described],
    });
    const { out } = whittle("inspect", reference);
    expect(out).toContain(image.digest);
    expect(out).toMatch(/user +10001/);
    expect(out).toMatch(/attached +application\/vnd.whittle.reasons/);
  });

  it("shows every platform, or the one that is asked for", () => {
    expect(json("inspect", "all:1")).toMatchObject({ images: [described, { platform: "linux/arm64" }] });
    const one = json("inspect", "all:1", "--platform", "linux/arm64/v8") as { images: unknown[] };
    expect(one.images).toEqual([expect.objectContaining({ platform: "linux/arm64" })]);
    expect(json("inspect", image.digest.slice(7, 19))).toMatchObject({ digest: image.digest });
    const { status, err } = whittle("inspect", "all:1", "--platform", "linux/s390x");
    expect({ status, err }).toMatchObject({
      status: 2,
      err: expect.stringContaining("linux/amd64, linux/arm64"),
    });
  });
});

describe("whittle diff", () => {
  it("compares two images", () => {
    const config = [{ key: "Labels.platform", before: "linux/amd64", after: "linux/arm64" }];
    expect(json("diff", "one:1", "oci:layout")).toEqual({ files: [], config: [] });
    const arm = (json("inspect", "all:1") as { images: { digest: string }[] }).images[1]?.digest ?? "";
    expect(json("diff", "one:1", arm)).toEqual({ files: [], config });
    expect(whittle("diff", "one:1", arm, "--exit-code")).toEqual({
      status: 1,
      out: 'config Labels.platform: "linux/amd64" → "linux/arm64"\n',
      err: "",
    });
    expect(whittle("diff", "one:1", "none:1")).toMatchObject({ status: 2, out: "" });
  });
});

describe("whittle tag and rmi", () => {
  it("give names and take them away", () => {
    expect(json("tag", "one:1", "x", "registry.example:5000/y:2")).toEqual([
      { reference: "x:latest", digest: image.digest },
      { reference: "registry.example:5000/y:2", digest: image.digest },
    ]);
    expect(json("rmi", "x")).toEqual({ untagged: ["x:latest"] });
    expect(whittle("rmi", "registry.example:5000/y:2").out).toBe("untagged registry.example:5000/y:2\n");
  });

  it("copy from elsewhere, with what was attached, and free what nobody needs", () => {
    const other = join(directory, "other");
    const there = (...args: string[]): unknown => json(...args, "--store", other);
    there("tag", "oci:layout", "copied:1");
    expect(there("inspect", "copied:1")).toMatchObject({
      images: [{ referrers: [{ artifactType: mediaTypes.reasons }] }],
    });
    expect(there("rmi", "--prune", digestHex(image.digest).slice(0, 12))).toMatchObject({
      untagged: ["copied:1"],
    });
    expect(there("store", "du")).toMatchObject({ blobs: 0, images: 0 });
  });

  it("change nothing when one of the names is wrong", () => {
    expect(whittle("rmi", "one:1", "none:1")).toMatchObject({ status: 2, out: "" });
    expect(whittle("tag", "one:1", "good:1", "Bad:1")).toMatchObject({ status: 2, out: "" });
    expect(whittle("tag", "none:1", "good:1")).toMatchObject({ status: 2, out: "" });
    expect(whittle("images", "-q").out).toBe(`${index.digest}\n${image.digest}\n`);
  });
});

describe("whittle store", () => {
  it("says where it is, how large, and whether it is whole", () => {
    expect(json("store", "path")).toEqual({ path: storeDirectory });
    expect(whittle("store", "path").out).toBe(`${storeDirectory}\n`);
    expect(json("store", "verify")).toEqual({ problems: [] });
    expect(json("store", "du")).toMatchObject({ images: 2, cacheRecords: 0, temporaryBytes: 0 });
    expect(json("store", "gc", "--dry-run")).toMatchObject({ removed: [], bytes: 0 });
    expect(whittle("store", "gc", "--older-than", "soon")).toMatchObject({ status: 2, out: "" });
    expect(whittle("store", "burn")).toMatchObject({ status: 2, out: "" });
  });

  it("answers no when a blob is damaged", () => {
    const path = join(storeDirectory, "blobs", "sha256", digestHex(image.digest));
    writeFileSync(path, "{}");
    const { status, out } = whittle("store", "verify", "--format", "json");
    expect(status).toBe(1);
    const { problems } = JSON.parse(out) as { problems: unknown[] };
    expect(problems).toContainEqual(expect.objectContaining({ digest: image.digest }));
    expect(problems).toContainEqual(expect.objectContaining({ reference: "one:1" }));
  });
});

describe("help", () => {
  it.each(["images", "inspect", "diff", "tag", "rmi", "store"])("of %s has two examples", (verb) => {
    const { status, out } = whittle(verb, "--help");
    expect(status).toBe(0);
    expect(out.split("Examples:\n")[1]?.match(new RegExp(`^  whittle ${verb} ?`, "gm"))).toHaveLength(2);
  });
});
