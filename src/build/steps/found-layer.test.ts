import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type BlobSource, type Image, type LayerCompression, writeLayer } from "../../image/index.ts";
import { bytesContent, type Content, type Digest, quietWork, sha256 } from "../../io/index.ts";
import { attributes, type Changes, type Entry, Tree, treeOf } from "../../tree/index.ts";
import type { Executor, ExecutorContext, Input } from "../executor.ts";
import type { Json, Step } from "../graph.ts";
import type { BaseLayer } from "./assemble.ts";
import { baseStep, scratchStep } from "./base.ts";
import { foundLayer, foundOutcome, layerStack, orFound, unseenOutcome, unseenSource } from "./found-layer.ts";
import type { LayeredValue } from "./layered-value.ts";
import { workdirStep } from "./workdir.ts";

const file = (text: string): Entry => ({ ...attributes(0o644), type: "file", content: bytesContent(text) });
const context: ExecutorContext = { ...quietWork, key: sha256("key"), dependents: [] };

function input(step: Step, record: Json, inputs: Record<string, Input> = {}, tree = Tree.empty): Input {
  const value = async <V>(): Promise<V> => ({ tree }) as V;
  return { step, digest: sha256(JSON.stringify([step.kind, record])), record, inputs, value };
}

const layer = (name: string): BaseLayer => ({
  descriptor: { mediaType: "layer", digest: sha256(`packed ${name}`), size: 1 },
  diffId: sha256(name),
});

/** A layer as somebody packed it, and where it is read. */
async function packed(changes: Changes, compression: LayerCompression): Promise<[BaseLayer, BlobSource]> {
  const blobs = new Map<Digest, Content>();
  const { descriptor, diffId } = await writeLayer(
    changes,
    {
      has: async () => false,
      async add(stream) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of stream) chunks.push(Buffer.from(chunk));
        const bytes = Buffer.concat(chunks);
        blobs.set(sha256(bytes), bytesContent(bytes));
        return { digest: sha256(bytes), size: bytes.length };
      },
    },
    { compression, work: quietWork },
  );
  const source: BlobSource = {
    async blob({ digest }) {
      const content = blobs.get(digest);
      if (content === undefined) throw new Error("no such blob");
      return content;
    },
  };
  return [{ descriptor, diffId }, source];
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "whittle-found-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const scratch = input(scratchStep, null);
const step = workdirStep(scratchStep, { path: "/x", mtime: 0 }, {});
const own: Executor = {
  kind: "workdir",
  version: 1,
  cached: true,
  run: async () => ({ digest: sha256("own"), record: null }),
  load: async () => "made by ourselves",
};

describe("what was found as a layer", () => {
  it("is told from what was made here, and is something else over something else", () => {
    const outcome = foundOutcome(scratch, layer("a"));
    expect(foundLayer(outcome)).toEqual(layer("a"));
    expect(outcome.blobs).toEqual([layer("a").descriptor.digest]);
    const { diffId } = layer("a");
    const descriptor = { mediaType: "layer", digest: sha256("packed"), size: 1 };
    const others: Json[] = [
      ...[null, {}, "text", { tar: { digest: sha256("a"), size: 1 } }, { diffId }],
      ...["../x", 1, null].map((digest) => ({ descriptor: { ...descriptor, digest }, diffId })),
      ...["1", -1, null].map((size) => ({ descriptor: { ...descriptor, size }, diffId })),
      ...["../x", 1, null].map((other) => ({ descriptor: { ...descriptor }, diffId: other })),
      { descriptor: { ...descriptor, mediaType: 1 }, diffId },
    ];
    for (const record of others) expect(foundLayer({ record })).toBeUndefined();
    const over = input(step, "other");
    const digests = [outcome, foundOutcome(over, layer("a")), foundOutcome(scratch, layer("b"))];
    expect(new Set(digests.map(({ digest }) => digest)).size).toBe(3);
  });

  it("is the same however it is packed", () => {
    const other = { ...layer("a"), descriptor: layer("b").descriptor };
    expect(foundOutcome(scratch, other).digest).toBe(foundOutcome(scratch, layer("a")).digest);
  });

  it.each<LayerCompression>([{ type: "gzip" }, { type: "zstd" }, { type: "none" }])(
    "is loaded as a change of the tree below: %o",
    async (compression) => {
      const lower = treeOf([
        ["/gone", file("")],
        ["/kept", file("kept")],
      ]);
      const added = treeOf([["/new", file("new")]]);
      const [found, source] = await packed({ added, removed: ["/gone"], opaque: [] }, compression);
      const below = input(scratchStep, null, {}, lower);
      const executor = orFound(own, source, temporaryDirectory());
      const load = () => executor.load?.(step, foundOutcome(below, found), { lower: below }, context);
      for (const value of [await load(), await load()]) {
        const { tree, changes } = value as LayeredValue;
        expect([...tree.entries()].map(([path]) => path)).toEqual(["/kept", "/new"]);
        expect(changes.removed).toEqual(["/gone"]);
      }
    },
  );

  it("is refused when it unpacks to something else than it is said to", async () => {
    const [found, source] = await packed({ added: treeOf([]), removed: [], opaque: [] }, { type: "gzip" });
    const lying = { ...found, diffId: sha256("other") };
    const executor = orFound(own, source, temporaryDirectory());
    await expect(
      executor.load?.(step, foundOutcome(scratch, lying), { lower: scratch }, context),
    ).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  });

  it("leaves to the executor what it made itself, which nobody has to bring before it is wanted", async () => {
    const executor = orFound(own, { blob: () => Promise.reject(new Error("unused")) }, "/nowhere");
    const outcome = { digest: sha256("own"), record: null };
    expect(await executor.load?.(step, outcome, { lower: scratch }, context)).toBe("made by ourselves");
    expect(executor.lazy).toBe(true);
  });
});

describe("what nobody has seen", () => {
  it("is told by who knows of it, and has a blob that is nowhere", () => {
    const outcome = unseenOutcome(sha256("key"), sha256("document"));
    expect([unseenSource(outcome), foundLayer(outcome)]).toEqual([sha256("document"), undefined]);
    expect(outcome.blobs).toEqual([outcome.digest]);
    for (const record of [null, {}, { unseen: "x" }]) expect(unseenSource({ record })).toBeUndefined();
  });

  it("is something else for every step and every source", () => {
    const pairs = ["a", "b"].flatMap((key) => ["c", "d"].map((source) => [key, source] as const));
    const digests = pairs.map(([key, source]) => unseenOutcome(sha256(key), sha256(source)).digest);
    expect(new Set(digests).size).toBe(4);
  });
});

describe("a stack of layers", () => {
  const config = { rootfs: { type: "layers", diff_ids: [sha256("1"), sha256("2")] } };
  const image = { config: async () => config } as unknown as Image;
  const base = input(baseStep(sha256("base"), { image, cacheDirectory: "/nowhere" }), null);

  it("is that of the base and what was found over it", async () => {
    const lower = input(step, foundOutcome(base, layer("3")).record, { lower: base });
    const upper = input(step, foundOutcome(lower, layer("4")).record, { lower });
    expect(await layerStack(upper)).toEqual(["1", "2", "3", "4"].map((name) => sha256(name)));
    expect(await layerStack(scratch)).toEqual([]);
  });

  it("is not known of what was made here, nor of what stands on that", async () => {
    const lower = input(step, null, { lower: base });
    const upper = input(step, foundOutcome(lower, layer("4")).record, { lower });
    expect([await layerStack(lower), await layerStack(upper)]).toEqual([undefined, undefined]);
    const unseen = input(step, unseenOutcome(sha256("key"), sha256("document")).record, { lower: base });
    expect(await layerStack(unseen)).toBeUndefined();
  });
});
