import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Digest, sha256 } from "../io/index.ts";
import { parseCacheDocument, serializeCacheDocument } from "./cache-document.ts";
import { RecordGraph } from "./record-graph.ts";
import { RecordWriter } from "./record-writer.ts";
import type { Vertex, VertexInput } from "./vertex.ts";

const root = (...names: string[]): Vertex => ({ names: names.map((name) => sha256(name)), inputs: [] });
const on = (name: string, ...inputs: VertexInput[]): Vertex => ({ names: [sha256(name)], inputs });
const whole = (vertex: Vertex): VertexInput => ({ vertex, selector: "" });
const context = (content: string): VertexInput => ({
  vertex: undefined,
  selector: sha256("selector"),
  content: async () => [sha256(content)],
});

describe("records of vertices", () => {
  it("link to all names of an input, and to its content in place of what has no name", async () => {
    const writer = new RecordWriter();
    const base = root("manifest", "layers");
    expect(await writer.add(on("copy", whole(base), context("files")), { result: { layer: 4 } })).toEqual([
      3,
    ]);
    expect(writer.records).toEqual([
      { digest: sha256("manifest"), results: [], chains: [], inputs: [] },
      { digest: sha256("layers"), results: [], chains: [], inputs: [] },
      { digest: sha256("files"), results: [], chains: [], inputs: [] },
      {
        digest: sha256("copy"),
        results: [{ layer: 4 }],
        chains: [],
        inputs: [
          [
            { selector: "", link: 0 },
            { selector: "", link: 1 },
          ],
          [{ selector: "", link: 2 }],
        ],
      },
    ]);
  });

  it("stand once for what is equal, with the results of both", async () => {
    const writer = new RecordWriter();
    for (const layer of [1, 1, 2]) await writer.add(on("run", whole(root("base"))), { result: { layer } });
    expect(writer.records.map(({ results }) => results)).toEqual([[], [{ layer: 1 }, { layer: 2 }]]);
  });

  it("are not written of what stands on something unknown", async () => {
    const writer = new RecordWriter();
    const unknown = on("copy", { vertex: undefined, selector: "", content: async () => [sha256("x")] });
    expect(await writer.add(unknown, { content: async () => [] })).toEqual([]);
    expect(await writer.add(on("run", whole(unknown)))).toEqual([]);
    expect(writer.records).toEqual([]);
  });

  it("tell of contents only where that is asked for, or needed", async () => {
    const asked: string[] = [];
    const noted = (name: string) => async (): Promise<readonly Digest[]> => {
      asked.push(name);
      return [sha256(name)];
    };
    const stage = { ...whole(root("stage")), selector: sha256("s"), content: noted("stage") };
    const files = { ...context(""), content: noted("context") };
    await new RecordWriter().add(on("copy", stage, files));
    expect(asked).toEqual(["context"]);
    const writer = new RecordWriter();
    const other = { ...stage, content: noted("other") };
    await writer.add(on("copy", other), {
      content: ({ content }) => content?.() ?? Promise.resolve([]),
    });
    expect(asked).toEqual(["context", "other"]);
    expect(writer.records.at(-1)?.inputs).toEqual([
      [
        { selector: sha256("s"), link: 0 },
        { selector: "", link: 1 },
      ],
    ]);
  });

  it("are found again, and no others", async () => {
    const vertices = fc.array(
      fc.record({
        name: fc.nat(3),
        inputs: fc.array(fc.record({ of: fc.nat(), kind: fc.nat(2) }), { maxLength: 2 }),
      }),
      { minLength: 1, maxLength: 8 },
    );
    const made = (shapes: readonly { name: number; inputs: { of: number; kind: number }[] }[]): Vertex[] => {
      const list: Vertex[] = [];
      for (const { name, inputs } of shapes) {
        const chosen = inputs.flatMap(({ of, kind }): VertexInput[] => {
          const vertex = list[of % Math.max(1, list.length)];
          if (kind === 0 || vertex === undefined) return [context(`content ${of % 3}`)];
          return [{ vertex, selector: kind === 1 ? "" : sha256("selector") }];
        });
        list.push(chosen.length === 0 ? root(`r${name}`, `s${name}`) : on(`o${name}`, ...chosen));
      }
      return list;
    };
    await fc.assert(
      fc.asyncProperty(vertices, vertices, async (shapes, others) => {
        const writer = new RecordWriter();
        const places = new Map<Vertex, readonly number[]>();
        for (const vertex of made(shapes)) places.set(vertex, await writer.add(vertex));
        const bytes = serializeCacheDocument({ layers: [], records: writer.records });
        const graph = new RecordGraph(parseCacheDocument(bytes).records);
        for (const [vertex, at] of places)
          expect([...(await graph.find(vertex))].sort()).toEqual([...at].sort());
        const known = writer.records.length;
        for (const vertex of made(others)) {
          const found = await graph.find(vertex);
          const added = await writer.add(vertex);
          expect([...found].sort()).toEqual(added.filter((place) => place < known).sort());
        }
      }),
    );
  });
});
