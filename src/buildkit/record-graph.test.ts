import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Digest, sha256 } from "../io/index.ts";
import type { CacheRecord } from "./cache-document.ts";
import { RecordGraph } from "./record-graph.ts";
import type { Vertex, VertexInput } from "./vertex.ts";

const record = (name: string, ...inputs: readonly (readonly [string, number])[][]): CacheRecord => ({
  digest: sha256(name),
  results: [],
  chains: [],
  inputs: inputs.map((links) => links.map(([selector, link]) => ({ selector, link }))),
});
const vertex = (name: string | string[], ...inputs: VertexInput[]): Vertex => ({
  names: [name].flat().map((one) => sha256(one)),
  inputs,
});
const found = async (records: CacheRecord[], asked: Vertex): Promise<number[]> => [
  ...(await new RecordGraph(records).find(asked)),
];

/** A content that fails the test when somebody asks for it. */
const unread = async (): Promise<readonly Digest[]> => {
  throw new Error("a content was asked for");
};

describe("finding a vertex among records", () => {
  const image = vertex(["manifest", "layers"]);
  const run = vertex("run", { vertex: image, selector: "/" });

  it("takes any of its names, and all records of one name", async () => {
    const records = [record("layers"), record("run", [["/", 0]]), record("run", [["/", 0]])];
    expect(await found(records, image)).toEqual([0]);
    expect(await found(records, run)).toEqual([1, 2]);
    expect(await found([record("manifest"), ...records.slice(1)], run)).toEqual([1, 2]);
    expect(await found([], run)).toEqual([]);
  });

  it.each<[string, CacheRecord[]]>([
    ["another selector", [record("layers"), record("run", [["/a", 0]])]],
    ["another input", [record("other"), record("run", [["/", 0]])]],
    ["no inputs", [record("layers"), record("run")]],
    ["an input that may be nothing", [record("layers"), record("run", [])]],
    ["one input more", [record("layers"), record("run", [["/", 0]], [["/", 0]])]],
    [
      "an image that stands on something",
      [record("x"), record("layers", [["", 0]]), record("run", [["/", 1]])],
    ],
  ])("does not take a record with %s", async (_what, records) => {
    expect(await found(records, run)).toEqual([]);
  });

  it("knows an input by its content, without a selector, and as a root only", async () => {
    const content = async () => [sha256("content")];
    const copy = vertex(
      "copy",
      { vertex: image, selector: "" },
      { vertex: undefined, selector: "/a", content },
    );
    const records = (...last: CacheRecord[]) => [record("layers"), record("content"), ...last];
    expect(await found(records(record("copy", [["", 0]], [["", 1]])), copy)).toEqual([2]);
    expect(await found(records(record("copy", [["", 0]], [["/a", 1]])), copy)).toEqual([]);
    const standing = [record("layers"), record("content", [["", 0]]), record("copy", [["", 0]], [["", 1]])];
    expect(await found(standing, copy)).toEqual([]);
  });

  it("knows an input by its content as any version computes it", async () => {
    const content = async () => [sha256("as in 0.25"), sha256("as in 0.26")];
    const copy = vertex("copy", { vertex: undefined, selector: "/a", content });
    const records = [
      record("as in 0.26"),
      record("another"),
      record("copy", [["", 0]]),
      record("copy", [["", 1]]),
    ];
    expect(await found(records, copy)).toEqual([2]);
  });

  it("asks for a content only when the definition leaves something open", async () => {
    const stage = { vertex: run, selector: "/a", content: unread };
    const copy = vertex("copy", { vertex: image, selector: "" }, stage);
    const known = [
      record("layers"),
      record("run", [["/", 0]]),
      record(
        "copy",
        [["", 0]],
        [
          ["", 3],
          ["/a", 1],
        ],
      ),
      record("content"),
    ];
    expect(await found(known, copy)).toEqual([2]);
    // One of another platform, say.
    expect(await found([...known, record("copy", [["", 0]], [["", 3]])], copy)).toEqual([2]);
    expect(await found(known.slice(0, 2), copy)).toEqual([]);
    const elsewhere = [record("other"), record("content"), record("copy", [["", 0]], [["", 1]])];
    expect(await found(elsewhere, copy)).toEqual([]);
    const open = [record("layers"), record("content"), record("copy", [["", 0]], [["", 1]])];
    await expect(found(open, copy)).rejects.toThrow("a content was asked for");
  });

  it("asks again where a content was not to be had", async () => {
    let times = 0;
    const content = async (): Promise<readonly Digest[]> => {
      times += 1;
      if (times === 1) throw new Error("not now");
      return [sha256("content")];
    };
    const graph = new RecordGraph([record("content"), record("copy", [["", 0]])]);
    const copy = vertex("copy", { vertex: undefined, selector: "/a", content });
    await expect(graph.find(copy)).rejects.toThrow("not now");
    expect([...(await graph.find(copy))]).toEqual([1]);
    expect([...(await graph.find(copy))]).toEqual([1]);
    expect(times).toBe(2);
  });

  it("agrees with whoever tries everything", async () => {
    const names = ["a", "b", "c"];
    const name = fc.constantFrom(...names);
    const selector = fc.constantFrom("", "s");
    const records = fc.array(name, { maxLength: 8 }).chain((all) =>
      fc.tuple(
        ...all.map((one, at) => {
          const link = fc.tuple(selector, fc.nat(Math.max(0, at - 1)));
          const inputs =
            at === 0 ? fc.constant([]) : fc.array(fc.array(link, { maxLength: 3 }), { maxLength: 2 });
          return inputs.map((links) => record(one, ...links));
        }),
      ),
    );
    const { asked } = fc.letrec<{ asked: Vertex; input: VertexInput }>((tie) => ({
      asked: fc
        .tuple(
          fc.array(name, { minLength: 1, maxLength: 2 }),
          fc.oneof(
            { maxDepth: 3, withCrossShrink: true },
            fc.constant([]),
            fc.array(tie("input"), { maxLength: 2 }),
          ),
        )
        .map(([some, inputs]) => vertex(some, ...inputs)),
      input: fc
        .record({
          vertex: fc.oneof(
            { weight: 1, arbitrary: fc.constant(undefined) },
            { weight: 4, arbitrary: tie("asked") },
          ),
          selector,
          content: fc.option(name, { nil: undefined }),
        })
        .map(({ content, ...input }) => ({
          ...input,
          ...(content === undefined ? {} : { content: async () => [sha256(content)] }),
        })),
    }));
    await fc.assert(
      fc.asyncProperty(records, asked, async (all, one) => {
        expect([...(await new RecordGraph(all).find(one))].sort()).toEqual(await tried(all, one));
      }),
      { numRuns: 500 },
    );
  });

  it("in a document that is nothing but links takes no longer than there are links", async () => {
    const wide = 300;
    const links = Array.from({ length: wide }, (_, at): [string, number] => ["", at]);
    const records = [
      ...links.map(() => record("layers")),
      ...links.map(() => record("run", links)),
      ...links.map(() =>
        record(
          "top",
          links.map(([, at]): [string, number] => ["", wide + at]),
        ),
      ),
    ];
    let top = vertex("top", { vertex: vertex("run", { vertex: image, selector: "" }), selector: "" });
    expect(await found(records, top)).toHaveLength(wide);
    for (let depth = 0; depth < 2000; depth++) top = vertex("top", { vertex: top, selector: "" });
    expect(await found(records, top)).toEqual([]);
  });
});

/** Every record is tried for every vertex, and every link for every input; those known by definition go first. */
async function tried(records: readonly CacheRecord[], { names, inputs }: Vertex): Promise<number[]> {
  const places: number[] = [];
  const defined: number[] = [];
  for (const [at, { digest, inputs: linked }] of records.entries()) {
    if (!names.includes(digest) || linked.length !== inputs.length) continue;
    const fits = await Promise.all(
      inputs.map(async (input, index) => {
        const below = input.vertex === undefined ? [] : await tried(records, input.vertex);
        const content = await input.content?.();
        const links = linked[index] ?? [];
        const isDefined = links.some(
          ({ selector, link }) => selector === input.selector && below.includes(link),
        );
        const isRead = links.some(({ selector, link }) => {
          const root = records[link];
          const isSame = content?.some((one) => root?.digest === one) === true;
          return selector === "" && isSame && root?.inputs.length === 0;
        });
        return { isDefined, isRead };
      }),
    );
    if (fits.every(({ isDefined, isRead }) => isDefined || isRead)) places.push(at);
    if (fits.every(({ isDefined }) => isDefined)) defined.push(at);
  }
  return defined.length > 0 ? defined : places;
}
