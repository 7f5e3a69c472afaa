import { createHash } from "node:crypto";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeTree, trees } from "../../test/arbitrary-tree.ts";
import {
  bytesContent,
  type DeflatedBlock,
  type DeflatedBlocks,
  type ProgressEvent,
  quietWork,
  sha256,
} from "../io/index.ts";
import { indexTar, writeTar } from "../tar/index.ts";
import {
  attributes,
  type Changes,
  changes,
  type Entry,
  type FileEntry,
  type Origin,
  type Tree,
  treeOf,
} from "../tree/index.ts";
import { applyLayer, type BlobSink, type LayerCompression, writeLayer } from "./index.ts";

/** A sink that keeps the last blob in memory. */
class Memory implements BlobSink {
  blob: Buffer = Buffer.alloc(0);

  async has(): Promise<boolean> {
    return false;
  }

  async add(stream: AsyncIterable<Uint8Array>) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream) chunks.push(Buffer.from(chunk));
    this.blob = Buffer.concat(chunks);
    return { digest: sha256(this.blob), size: this.blob.length };
  }
}

async function layerOf(from: Changes | Tree, compression: LayerCompression = { type: "none" }) {
  const sink = new Memory();
  const record = await writeLayer(from, sink, { compression, work: quietWork });
  return { record, blob: sink.blob };
}

const file = (text: string): Entry => ({ ...attributes(0o644), type: "file", content: bytesContent(text) });
const directory: Entry = { ...attributes(0o755), type: "directory" };

async function namesIn(blob: Buffer): Promise<string[]> {
  return (await indexTar(bytesContent(blob))).map((member) => member.name);
}

/** Deflated blocks in memory, by the digests of what they come from. */
function remembering() {
  const known = new Map<string, readonly DeflatedBlock[]>();
  const deflated: DeflatedBlocks = {
    get({ digest }) {
      const blocks = known.get(digest);
      return blocks && { blocks };
    },
    set: async ({ digest }, blocks) => void known.set(digest, blocks),
  };
  return { known, deflated };
}

describe("a layer", () => {
  it("turns one tree into the other: apply(lower, layer(changes(lower, upper))) = upper", async () => {
    await fc.assert(
      fc.asyncProperty(trees, trees, async (lower, upper) => {
        const { blob } = await layerOf(changes(lower, upper));
        const result = await applyLayer(lower, bytesContent(blob));
        // Contents that are equal but not known to be so are written again, which splits no hard links of `upper`.
        expect(await describeTree(result)).toEqual(await describeTree(upper));
      }),
      { numRuns: 300 },
    );
  });

  it("of a whole tree gives that tree over nothing", async () => {
    await fc.assert(
      fc.asyncProperty(trees, async (tree) => {
        const { blob } = await layerOf(tree);
        expect(await describeTree(await applyLayer(treeOf([]), bytesContent(blob)))).toEqual(
          await describeTree(tree),
        );
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    [{ type: "gzip" }, "application/vnd.oci.image.layer.v1.tar+gzip", gunzipSync],
    [{ type: "gzip", level: 9 }, "application/vnd.oci.image.layer.v1.tar+gzip", gunzipSync],
    [{ type: "zstd" }, "application/vnd.oci.image.layer.v1.tar+zstd", zstdDecompressSync],
    [{ type: "none" }, "application/vnd.oci.image.layer.v1.tar", (data: Buffer) => data],
  ] as const)("compressed by %j says what it is", async (compression, mediaType, expand) => {
    const tree = treeOf([
      ["/a", file("one")],
      ["/b/c", file("two".repeat(1000))],
    ]);
    const { record, blob } = await layerOf(tree, compression);
    const tar = expand(blob);
    expect(record).toEqual({
      descriptor: { mediaType, digest: sha256(blob), size: blob.length },
      diffId: `sha256:${createHash("sha256").update(tar).digest("hex")}`,
      unpackedSize: tar.length,
      files: 2,
    });
  });

  it("names what is gone by whiteouts, without the directories above", async () => {
    const lower = treeOf([
      ["/etc/a", file("a")],
      ["/etc/b/c", file("c")],
      ["/etc/keep", file("k")],
      ["/tmp/x/y", file("y")],
    ]);
    const upper = treeOf([
      ["/etc/keep", file("k")],
      ["/tmp/x", directory],
    ]);
    const { blob } = await layerOf({ ...changes(lower, upper), added: treeOf([]) });
    expect(await namesIn(blob)).toEqual(["etc/.wh.a", "etc/.wh.b", "tmp/x/.wh.y"]);
  });

  it("hides a directory's former contents by an opaque whiteout, wherever that stands in the archive", async () => {
    const lower = treeOf([
      ["/d/old", file("old")],
      ["/d/sub/old", file("old")],
    ]);
    const change: Changes = { added: treeOf([["/d/new", file("new")]]), removed: [], opaque: ["/d"] };
    const { blob } = await layerOf(change);
    expect(await namesIn(blob)).toEqual(["d/", "d/.wh..wh..opq", "d/new"]);
    expect(Object.keys(await describeTree(await applyLayer(lower, bytesContent(blob))))).toEqual([
      "/d",
      "/d/new",
    ]);
  });

  it("takes away only what lower layers have", async () => {
    const both = [
      ["/d/.wh.name", { ...file(""), mode: 0 }],
      ["/d/name", file("new")],
    ] as const;
    for (const order of [both, [...both].reverse()]) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of writeTar(order)) chunks.push(chunk);
      const tree = await applyLayer(
        treeOf([["/d/name/inside", file("old")]]),
        bytesContent(Buffer.concat(chunks)),
      );
      expect(Object.keys(await describeTree(tree))).toEqual(["/d", "/d/name"]);
    }
  });

  it("cannot hold a file whose name means a deletion", async () => {
    await expect(layerOf(treeOf([["/d/.wh.x", file("")]]))).rejects.toMatchObject({ code: "IMAGE_INVALID" });
  });

  it("passes over the book-keeping of aufs", async () => {
    const chunks: Uint8Array[] = [];
    const entries = [
      ["/.wh..wh.plnk", directory],
      ["/.wh..wh.aufs", file("")],
      ["/real", file("")],
    ] as const;
    for await (const chunk of writeTar(entries)) chunks.push(chunk);
    const tree = await applyLayer(treeOf([]), bytesContent(Buffer.concat(chunks)));
    expect([...tree.entries()].map(([path]) => path)).toEqual(["/real"]);
  });

  it("stamps its origin on what it adds and leaves the rest as it was", async () => {
    const { blob } = await layerOf(treeOf([["/new", file("n")]]));
    const origin = { kind: "layer", digest: "sha256:0", index: 1 } as const;
    const lower = treeOf([["/old", file("o")]]);
    const tree = await applyLayer(lower, bytesContent(blob), { origin });
    expect(tree.get("/new")?.origin).toEqual(origin);
    expect(tree.get("/old")).toBe(lower.get("/old"));
  });

  it("has the same bytes whether files of packages were deflated before or not, and whatever their origin", async () => {
    const { known, deflated } = remembering();
    const origin = { kind: "package", name: "p", version: "1", architecture: "all" } as const;
    const large = (text: string, more: Partial<FileEntry>): Entry => {
      const content = bytesContent(text.repeat(20_000), sha256(text.repeat(20_000)));
      return { ...attributes(0o644), type: "file", content, ...more };
    };
    const tree = (more: Partial<FileEntry>): Tree =>
      treeOf([
        ["/a", large("first ", more)],
        ["/b", file("small")],
        ["/c", large(`${"x".repeat(100)} `, more)],
      ]);
    const layers: string[] = [];
    for (const from of [tree({}), tree({ origin }), tree({ origin }), tree({ mode: 0o644 })]) {
      const sink = new Memory();
      layers.push((await writeLayer(from, sink, { deflated, work: quietWork })).descriptor.digest);
      const tar = gunzipSync(sink.blob);
      expect(await describeTree(await applyLayer(treeOf([]), bytesContent(tar)))).toEqual(
        await describeTree(from),
      );
    }
    expect(new Set(layers).size).toBe(1);
    // The two files; nothing between them, because there is a file in it that is no package's.
    expect([...known.keys()].length).toBe(2);
  });

  it("remembers what stands between long files where all of it is from packages or written by Whittle", async () => {
    const { known, deflated } = remembering();
    const small = (origin: Origin): Entry => ({
      ...attributes(0o644, { origin }),
      type: "file",
      content: bytesContent("small"),
    });
    const one = small({ kind: "package", name: "p", version: "1", architecture: "all" });
    const other = small({ kind: "generated", what: "package records" });
    const tree = treeOf([
      ["/a", one],
      ["/b", other],
    ]);
    const wanted = (await layerOf(tree, { type: "gzip" })).record;
    for (let round = 0; round < 2; round++) {
      expect(await writeLayer(tree, new Memory(), { deflated, work: quietWork })).toEqual(wanted);
      expect(known.size).toBe(1);
    }
    const edited = treeOf([...tree.entries(), ["/c", small({ kind: "context", path: "c" })]]);
    await writeLayer(edited, new Memory(), { deflated, work: quietWork });
    expect(known.size).toBe(1);
  });

  it("keeps the tar as well where that is wanted, and is the same layer", async () => {
    const tree = treeOf([
      ["/large", file("many words ".repeat(300_000))],
      ["/small", file("few")],
    ]);
    const kept = new Map<string, Buffer>();
    const sink: BlobSink = {
      has: async () => false,
      async add(stream) {
        const memory = new Memory();
        const added = await memory.add(stream);
        kept.set(added.digest, memory.blob);
        return added;
      },
    };
    const { record, blob } = await layerOf(tree, { type: "gzip" });
    expect(await writeLayer(tree, sink, { keepPlain: true, work: quietWork })).toEqual(record);
    expect(kept.get(record.descriptor.digest)?.equals(blob)).toBe(true);
    expect(kept.get(record.diffId)?.equals(gunzipSync(blob))).toBe(true);
    expect(kept.size).toBe(2);
  });

  it("fails as either of its blobs does, and leaves neither being written", async () => {
    const tree = treeOf([["/large", file("many words ".repeat(900_000))]]);
    for (const failing of [1, 2]) {
      let begun = 0;
      let ended = 0;
      const sink: BlobSink = {
        has: async () => false,
        async add(stream) {
          const fails = ++begun === failing;
          try {
            for await (const _ of stream) if (fails) throw new Error("the disk is full");
            return { digest: sha256(""), size: 0 };
          } finally {
            ended++;
          }
        },
      };
      const writing = writeLayer(tree, sink, { keepPlain: true, work: quietWork });
      await expect(writing).rejects.toThrow("the disk is full");
      expect([begun, ended]).toEqual([2, 2]);
    }
  });

  it("reports what it does, and stops when it is told to", async () => {
    const events: ProgressEvent[] = [];
    const tree = treeOf([["/f", file("x".repeat(3_000_000))]]);
    const abort = new AbortController();
    const progress = (event: ProgressEvent): void => void events.push(event);
    await writeLayer(tree, new Memory(), { work: { progress, signal: abort.signal } });
    expect(events[0]?.kind).toBe("start");
    expect(events.filter(({ kind }) => kind === "bytes").length).toBeGreaterThanOrEqual(3);
    expect(events.at(-1)?.kind).toBe("done");
    abort.abort();
    await expect(
      writeLayer(tree, new Memory(), { work: { progress, signal: abort.signal } }),
    ).rejects.toThrow();
    expect(events.at(-1)).toMatchObject({ kind: "done", outcome: "cancelled" });
  });
});
