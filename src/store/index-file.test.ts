import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Descriptor, mediaTypes } from "../image/index.ts";
import { sha256 } from "../io/index.ts";
import { sampleImage } from "./sample-image.contract.ts";
import { openStore, type Store } from "./store.ts";
import { temporaryDirectory } from "./temporary.contract.ts";

const openNew = (): Promise<Store> => openStore(join(temporaryDirectory(), "store"), { create: true });

async function document(store: Store, value: object): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(value));
  async function* once(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  const { digest, size } = await store.add(once());
  return { mediaType: mediaTypes.index, digest, size };
}

describe("index.json", () => {
  it("stays small, whatever manifests are annotated with, and lists of referrers have it all", async () => {
    const store = await openNew();
    const { mediaType, digest, size } = await sampleImage(store);
    const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] };
    const annotations = { "org.example.long": "x".repeat(100_000) };
    const subject = { mediaType, digest, size };
    await store.hold("a", await document(store, { ...index, annotations }));
    const speaks = await document(store, { ...index, annotations, subject, artifactType: "a/b" });
    await store.hold("a", speaks);
    expect(statSync(join(store.directory, "index.json")).size).toBeLessThan(5000);
    expect(await store.referrers(digest)).toEqual([{ ...speaks, annotations, artifactType: "a/b" }]);
    expect((await store.held()).map(({ descriptor }) => Object.keys(descriptor))).not.toContain(
      "annotations",
    );
  });

  it("gives a repository its own referrers, and those that no repository holds", async () => {
    const store = await openNew();
    const { mediaType, digest, size } = await sampleImage(store);
    const subject = { mediaType, digest, size };
    const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [], subject };
    const [one, two] = [
      await document(store, { ...index, artifactType: "a/1" }),
      await document(store, { ...index, artifactType: "a/2" }),
    ];
    await store.hold("one", one);
    await store.hold("two", two);
    const seenBy = async (repository?: string): Promise<unknown[]> =>
      (await store.referrers(digest, undefined, repository)).map(({ artifactType }) => artifactType).sort();
    expect([await seenBy("one"), await seenBy("two"), await seenBy()]).toEqual([
      ["a/1"],
      ["a/2"],
      ["a/1", "a/2"],
    ]);
  });

  it("names a manifest with its tags in one change", async () => {
    const store = await openNew();
    const image = await sampleImage(store);
    await store.hold("a", image, ["1", "2"]);
    expect((await store.list()).map(({ reference }) => reference)).toEqual(["a:1", "a:2"]);
    const before = statSync(join(store.directory, "index.json"), { bigint: true }).mtimeNs;
    await store.hold("a", image, ["2"]);
    expect(statSync(join(store.directory, "index.json"), { bigint: true }).mtimeNs).toBe(before);
  });

  it("refuses an image in which indexes nest too deeply, and one that leads to itself a thousand times is read once", async () => {
    const store = await openNew();
    const wide = async (below: Descriptor): Promise<Descriptor> =>
      document(store, {
        schemaVersion: 2,
        mediaType: mediaTypes.index,
        manifests: Array.from({ length: 1000 }, (_, at) => ({ ...below, annotations: { at: String(at) } })),
      });
    let top = await sampleImage(store);
    for (let level = 0; level < 7; level++) top = await wide(top);
    await store.hold("a", top);
    await expect(store.hold("a", await wide(top))).rejects.toMatchObject({ code: "IMAGE_INVALID" });
    expect(sha256(readFileSync(join(store.directory, "blobs/sha256", top.digest.slice(7))))).toBe(top.digest);
  });
});
