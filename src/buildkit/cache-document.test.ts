import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Digest } from "../io/index.ts";
import { type CacheDocument, parseCacheDocument, serializeCacheDocument } from "./cache-document.ts";

const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}` as Digest);

const createdAt = fc.date({ noInvalidDate: true, min: new Date(0) }).map((date) => date.toISOString());
const result = (layers: number) =>
  fc.record({ layer: fc.nat(layers - 1), createdAt }, { requiredKeys: ["layer"] });
const chain = (layers: number) =>
  fc.record(
    { layers: fc.array(fc.nat(layers - 1), { minLength: 1, maxLength: 3 }), createdAt },
    { requiredKeys: ["layers"] },
  );
const link = (records: number) =>
  fc.record({ selector: fc.oneof(fc.constant(""), digest), link: fc.nat(records - 1) });

/** Documents whose links lead to earlier places only, so that there is an end to them. */
const documents: fc.Arbitrary<CacheDocument> = fc
  .record({ blobs: fc.array(digest, { maxLength: 6 }), keys: fc.array(digest, { maxLength: 6 }) })
  .chain(({ blobs, keys }) => {
    const record = (key: Digest, at: number) =>
      fc.record({
        digest: fc.constant(key),
        results: blobs.length === 0 ? fc.constant([]) : fc.array(result(blobs.length), { maxLength: 2 }),
        chains: blobs.length === 0 ? fc.constant([]) : fc.array(chain(blobs.length), { maxLength: 2 }),
        inputs:
          at === 0
            ? fc.constant([])
            : fc.array(fc.array(link(at), { minLength: 1, maxLength: 2 }), { maxLength: 2 }),
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
    const document = {
      layers: [],
      records: [{ digest: one as Digest, results: [], chains: [], inputs: [], outcome }],
    };
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
        {
          digest: a,
          results: [{ layer: 1, createdAt: "2026-11-21T08:55:44.811136383Z" }],
          chains: [],
          inputs: [[{ selector: "", link: 1 }]],
        },
        { digest: b, results: [], chains: [], inputs: [] },
        {
          digest: one,
          results: [],
          chains: [{ layers: [1, 0] }],
          inputs: [[{ selector: "s", link: 0 }], [{ selector: "", link: 1 }]],
        },
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
      "a selector that is no text",
      { records: [{ digest: one, inputs: [[{ link: 0, selector: 1 }]] }] },
      "a selector that is no text",
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
      results: [],
      chains: [],
      inputs: at === 0 ? [] : [[{ selector: "", link: at - 1 }]],
    }));
    expect(parseCacheDocument(serializeCacheDocument({ layers: [], records })).records).toHaveLength(20_000);
  });
});
