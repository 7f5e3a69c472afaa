import { describe, expect, it } from "vitest";
import { bytesContent, type Digest, quietWork, sha256 } from "../io/index.ts";
import { attributes, type Entry, treeOf } from "../tree/index.ts";
import {
  type BlobSource,
  type LayerCompression,
  type LayerRecord,
  measureLayer,
  writeLayer,
} from "./index.ts";

const file: Entry = { ...attributes(0o644), type: "file", content: bytesContent("text") };
const tree = treeOf([
  ["/a", file],
  ["/b", { ...attributes(0o777), type: "symlink", target: "a" }],
  ["/c", { ...attributes(0o755), type: "directory" }],
  ["/c/d", file],
]);

async function written(compression: LayerCompression): Promise<{ record: LayerRecord; bytes: Buffer }> {
  let bytes = Buffer.alloc(0);
  const sink = {
    has: async () => false,
    async add(stream: AsyncIterable<Uint8Array>) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of stream) chunks.push(Buffer.from(chunk));
      bytes = Buffer.concat(chunks);
      return { digest: sha256(bytes), size: bytes.length };
    },
  };
  const record = await writeLayer(tree, sink, { compression, work: quietWork });
  return { record, bytes };
}

const holding = (bytes: Buffer): BlobSource => ({ blob: async () => bytesContent(bytes) });
const { signal } = quietWork;

describe("measuring a layer", () => {
  it.each<LayerCompression>([{ type: "gzip" }, { type: "zstd" }, { type: "none" }])(
    "comes to what writing it came to: %o",
    async (compression) => {
      const { record, bytes } = await written(compression);
      expect(await measureLayer(holding(bytes), record, signal)).toEqual(record);
    },
  );

  it("refuses what unpacks to something else, and what is damaged", async () => {
    const { record, bytes } = await written({ type: "gzip" });
    const measured = (from: Buffer, diffId: Digest = record.diffId): Promise<LayerRecord> =>
      measureLayer(holding(from), { ...record, diffId }, signal);
    await expect(measured(bytes, sha256("other"))).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
    for (let at = 0; at < bytes.length; at += 7) {
      const spoilt = Buffer.from(bytes);
      spoilt[at] = (spoilt[at] ?? 0) ^ 0x40;
      // What the header of gzip says beside the data is of no account.
      await expect(
        measured(spoilt)
          .then(({ diffId }) => diffId)
          .catch((error) => error.code),
      ).resolves.toMatch(/^(?:DIGEST_MISMATCH|ARCHIVE_CORRUPT|ARCHIVE_HOSTILE|sha256:.*)$/);
      await expect(measured(bytes.subarray(0, at))).rejects.toHaveProperty("code");
    }
  });
});
