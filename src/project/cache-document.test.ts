import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Digest } from "../io/index.ts";
import { type CacheDocument, parseCacheDocument, serializeCacheDocument } from "./cache-document.ts";

const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}` as Digest);

/** Documents whose links lead to earlier places only, so that there is an end to them. */
const documents: fc.Arbitrary<CacheDocument> = fc
  .record({ blobs: fc.array(digest, { maxLength: 6 }), keys: fc.array(digest, { maxLength: 6 }) })
  .chain(({ blobs, keys }) => {
    const record = (key: Digest, at: number) =>
      fc.record({
        digest: fc.constant(key),
        layers: blobs.length === 0 ? fc.constant([]) : fc.array(fc.nat(blobs.length - 1), { maxLength: 2 }),
        inputs:
          at === 0
            ? fc.constant([])
            : fc.array(fc.array(fc.nat(at - 1), { minLength: 1, maxLength: 2 }), { maxLength: 2 }),
      });
    return fc.record({
      layers: fc.tuple(
        ...blobs.map((blob, at) =>
          fc.record({ blob: fc.constant(blob), parent: fc.integer({ min: -1, max: at - 1 }) }),
        ),
      ),
      records: fc.tuple(...keys.map(record)),
    });
  });

const bytes = (value: unknown): Buffer =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const one = `sha256:${"1".repeat(64)}`;

describe("a cache document", () => {
  it("is read as it was written", () => {
    fc.assert(
      fc.property(documents, (document) => {
        expect(parseCacheDocument(serializeCacheDocument(document))).toEqual(document);
      }),
    );
  });

  it("keeps what only we read in a member that Go passes over", () => {
    const outcome = { digest: one as Digest, record: { a: 1 }, blobs: [one as Digest] };
    const document = { layers: [], records: [{ digest: one as Digest, layers: [], inputs: [], outcome }] };
    expect(JSON.parse(serializeCacheDocument(document).toString())).toEqual({
      layers: [],
      records: [{ digest: one, whittle: outcome }],
    });
    expect(parseCacheDocument(serializeCacheDocument(document))).toEqual(document);
  });

  it("is read as docker 28 writes it", () => {
    // From `docker buildx build --cache-to type=local,mode=max`, digests and times shortened.
    const [a, b] = ["a", "b"].map((digit) => `sha256:${digit.repeat(64)}`);
    const text = `{"layers":[{"blob":"${a}","parent":1},{"blob":"${b}","parent":-1}],"records":[
      {"layers":[{"layer":1,"createdAt":"2026-11-21T08:55:44.811136383Z"}],"digest":"${a}","inputs":[[{"link":1}]]},
      {"digest":"${b}"},{"chains":[{"layers":[1,0]}],"digest":"${one}","inputs":[[{"link":0,"selector":"s"}],[{"link":1}]]}]}`;
    expect(parseCacheDocument(bytes(text))).toEqual({
      layers: [
        { blob: a, parent: 1 },
        { blob: b, parent: -1 },
      ],
      records: [
        { digest: a, layers: [1], inputs: [[1]] },
        { digest: b, layers: [], inputs: [] },
        { digest: one, layers: [1, 0], inputs: [[0], [1]] },
      ],
    });
    expect(parseCacheDocument(bytes("{}"))).toEqual({ layers: [], records: [] });
    expect(parseCacheDocument(bytes('{"layers":null,"records":null}'))).toEqual({ layers: [], records: [] });
  });

  it.each([
    ["no JSON", "{", "not JSON"],
    ["no object", [], "the document is no object"],
    ["no digest", { layers: [{ blob: "x", parent: -1 }] }, "layers[0].blob is no digest"],
    ["a parent that is not there", { layers: [{ blob: one, parent: 1 }] }, "layers[0].parent"],
    ["a layer on itself", { layers: [{ blob: one }] }, "layers stand on themselves"],
    [
      "a layer that is not there",
      { records: [{ digest: one, layers: [{ layer: 0 }] }] },
      "records[0].layers",
    ],
    [
      "a link that is not there",
      { records: [{ digest: one, inputs: [[{ link: 7 }]] }] },
      "records[0].inputs",
    ],
    [
      "a link that is no number",
      { records: [{ digest: one, inputs: [[{ link: "0" }]] }] },
      "records[0].inputs",
    ],
    [
      "records on each other",
      { records: [0, 1].map((at) => ({ digest: one, inputs: [[{ link: 1 - at }]] })) },
      "records stand on themselves",
    ],
    ["more than 4 MiB", `{"layers":[${" ".repeat(5 * 1024 * 1024)}]}`, "at most"],
  ])("is refused with %s", (_what, value, found) => {
    expect(() => parseCacheDocument(bytes(value))).toThrow(
      expect.objectContaining({ code: "IMAGE_INVALID", message: expect.stringContaining(found) }),
    );
  });

  it("survives any bytes", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json().map(bytes)), (input) => {
        try {
          parseCacheDocument(input);
        } catch (error) {
          expect(error).toMatchObject({ code: "IMAGE_INVALID" });
        }
      }),
    );
  });

  it("of a long chain is read in no time and no depth", () => {
    const records = Array.from({ length: 20_000 }, (_, at) => ({
      digest: one as Digest,
      layers: [],
      inputs: at === 0 ? [] : [[at - 1]],
    }));
    expect(parseCacheDocument(serializeCacheDocument({ layers: [], records })).records).toHaveLength(20_000);
  });
});
