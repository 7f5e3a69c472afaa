import { existsSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesContent, sha256 } from "../io/index.ts";
import { readIndex, readManifest } from "./documents.ts";
import { parseConfig, parseDescriptor, parseIndex, parseManifest } from "./manifest.ts";
import { mediaTypes } from "./types.ts";

const digest = sha256("x");
const config = { mediaType: mediaTypes.config, digest, size: 1 };
const layer = { mediaType: mediaTypes.layerGzip, digest, size: 1 };
const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const invalid = expect.objectContaining({ code: "IMAGE_INVALID" });

interface Case {
  readonly kind: string;
  readonly fail: boolean;
  readonly doc: string;
}

const table = new URL("../../../shared/corpora/tables/oci-schema-cases.json", import.meta.url);
const cases = existsSync(table) ? (JSON.parse(readFileSync(table, "utf8")) as Case[]) : [];
if (cases.length === 0)
  console.log(`notice: ${table.pathname} is absent, the specification's own cases are not run`);

const readers: Record<string, (bytes: Uint8Array) => unknown> = {
  TestConfig: parseConfig,
  TestBackwardsCompatibilityConfig: parseConfig,
  TestDescriptor: parseDescriptor,
  TestImageIndex: parseIndex,
  TestManifest: parseManifest,
};

describe.runIf(cases.length > 0)("the image-spec's schema cases", () => {
  it.each(
    cases
      .filter(({ kind, doc }) => kind in readers && !doc.startsWith("sha256:"))
      .map((item, i) => [`${i} ${item.kind}`, item.fail ? "refused" : "read", item] as const),
  )("%s is %s", (_name, _verdict, { kind, fail, doc }) => {
    const read = (): unknown => readers[kind]?.(Buffer.from(doc));
    if (fail) expect(read).toThrow(invalid);
    else expect(read()).toBeTypeOf("object");
  });
});

describe("manifests", () => {
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] };

  it("says where the fault is", () => {
    const broken = { ...manifest, layers: [layer, { ...layer, size: "1" }] };
    expect(() => parseManifest(bytes(broken), "the manifest of x")).toThrow(
      'Cannot read the manifest of x: layers[1].size is "1", a number of bytes is wanted',
    );
  });

  it("refuses a document that could be read as two kinds", () => {
    expect(() => parseManifest(bytes({ ...manifest, manifests: [] }))).toThrow(invalid);
    expect(() => parseManifest(bytes({ ...manifest, Manifests: [] }))).toThrow(invalid);
    expect(() => parseIndex(bytes({ schemaVersion: 2, manifests: [], layers: [] }))).toThrow(invalid);
  });

  it("refuses a second spelling of a member", () => {
    expect(() => parseManifest(bytes({ ...manifest, Layers: [] }))).toThrow(/spelling layers/);
    expect(() => parseDescriptor(bytes({ ...layer, DIGEST: sha256("y") }))).toThrow(/spelling digest/);
  });

  it("reads an image without layers from Docker only", () => {
    expect(() => parseManifest(bytes({ ...manifest, layers: [] }))).toThrow(invalid);
    expect(
      parseManifest(bytes({ ...manifest, mediaType: mediaTypes.dockerManifest, layers: [] })).layers,
    ).toEqual([]);
  });

  it("wants an artifact's type beside an empty config", () => {
    const artifact = { ...manifest, config: { ...config, mediaType: mediaTypes.empty } };
    expect(() => parseManifest(bytes(artifact))).toThrow(/artifactType/);
    // What `oras push --config FILE:application/vnd.oci.empty.v1+json` makes.
    expect(parseManifest(bytes(artifact), "it", { bare: true }).artifactType).toBeUndefined();
    expect(parseManifest(bytes({ ...artifact, artifactType: "a/b" })).artifactType).toBe("a/b");
  });

  it("keeps members that it does not know, and drops nulls", () => {
    const parsed = parseConfig(
      bytes({
        os: "linux",
        architecture: "amd64",
        rootfs: { type: "layers", diff_ids: [] },
        docker_version: "1",
        config: { Cmd: null, Hostname: "h" },
      }),
    );
    expect(parsed).toMatchObject({ docker_version: "1", config: { Hostname: "h" } });
    expect(parsed.config).not.toHaveProperty("Cmd");
  });

  it("limits size, nesting and the number of values", () => {
    const many = (count: number) => `{"schemaVersion":2,"manifests":[],"x":[${"{},".repeat(count)}""]}`;
    expect(() => parseIndex(Buffer.from(many(100_000)))).toThrow(/it has 200005 values, at most 200000/);
    expect(() => parseIndex(Buffer.from(many(99_000)))).not.toThrow();
    expect(() =>
      parseIndex(Buffer.from(`{"schemaVersion":2,"manifests":[],"x":"${",".repeat(300_000)}"}`)),
    ).not.toThrow();
    expect(() => parseManifest(Buffer.alloc(4 * 1024 * 1024 + 1, " "))).toThrow(/at most 4194304/);
    const deep = `${"[".repeat(100)}${"]".repeat(100)}`;
    expect(() => parseIndex(Buffer.from(`{"schemaVersion":2,"manifests":[],"x":${deep}}`))).toThrow(
      /deeper than 32/,
    );
    expect(() =>
      parseIndex(Buffer.from(`{"schemaVersion":2,"manifests":[],"x":"${"[".repeat(100)}"}`)),
    ).not.toThrow();
    expect(() => parseIndex(Buffer.from([0x22, 0xff, 0x22]))).toThrow(/UTF-8/);
  });

  it("believes neither a descriptor nor a document that contradict each other", async () => {
    const body = bytes(manifest);
    const about = { mediaType: mediaTypes.dockerManifest, digest: sha256(body), size: body.length };
    const source = { blob: async () => bytesContent(body) };
    await expect(readManifest(source, about)).rejects.toThrow(/calls itself/);
    await expect(readIndex(source, { ...about, size: 5_000_000 })).rejects.toThrow(/at most/);
  });

  it("answers any bytes with a document or a readable refusal", () => {
    const known = fc.constantFrom(
      "schemaVersion",
      "config",
      "layers",
      "manifests",
      "mediaType",
      "digest",
      "size",
      "rootfs",
    );
    const value = fc.oneof(fc.jsonValue(), fc.dictionary(known, fc.jsonValue()));
    fc.assert(
      fc.property(fc.oneof(value.map(bytes), fc.uint8Array()), (document) => {
        for (const read of [parseManifest, parseIndex, parseConfig, parseDescriptor]) {
          try {
            read(document);
          } catch (error) {
            expect(error).toMatchObject({ code: "IMAGE_INVALID" });
          }
        }
      }),
    );
  });
});
