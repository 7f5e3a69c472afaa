import { describe, expect, it } from "vitest";
import {
  type BaseLayer,
  baseStep,
  type CopyLocal,
  type CopyParameters,
  contextStep,
  copyStep,
  foundLayer,
  foundOutcome,
  type Input,
  type Json,
  layerStep,
  type Outcome,
  type Step,
  scratchStep,
  selectStep,
  unseenOutcome,
  unseenSource,
  workdirStep,
} from "../build/index.ts";
import { type CacheRecord, type Vertex, Vertices } from "../buildkit/index.ts";
import type { Image } from "../image/index.ts";
import { bytesContent, type Digest, sha256 } from "../io/index.ts";
import type { Store } from "../store/index.ts";
import { attributes, type Tree, treeOf } from "../tree/index.ts";
import type { OpenedDocument } from "./cache-open.ts";
import { CacheSearch } from "./cache-search.ts";

const platform = { os: "linux", architecture: "amd64" };
const image = {
  descriptor: { mediaType: "manifest", digest: sha256("manifest"), size: 1 },
  config: async () => ({ ...platform, rootfs: { type: "layers", diff_ids: [sha256("base")] } }),
  platform: async () => platform,
} as unknown as Image;
const base = baseStep(sha256("manifest"), { image, cacheDirectory: "/nowhere" });
const context = contextStep("main", {} as Parameters<typeof contextStep>[1]);
const mkdir = (lower: Step, path: string): Step => workdirStep(lower, { path, mtime: 0 }, {});
const local = { excluded: () => () => false, cacheDirectory: "/nowhere" } as CopyLocal;
function copy(lower: Step, from: Step, more: Partial<CopyParameters> = {}): Step {
  const source = { input: "source", path: "/a", unpack: false };
  const parameters = { sources: [source], destination: "/a", excludes: [], mtime: 0, ...more };
  const selected = selectStep(
    from,
    { paths: [{ path: "/a" }], excludes: [] },
    { where: "there", excluded: () => () => false, at: { file: "Dockerfile", line: 1, column: 1 } },
  );
  return copyStep(lower, { source: selected }, parameters, local);
}

/** What steps came to, as a build knows it; those that nobody says anything of are outside of the graph. */
type Known = ReadonlyMap<Step, Outcome & { readonly tree?: Tree }>;

function inputsOf(step: Step, known: Known): Record<string, Input> {
  const input = (one: Step): Input => {
    const { digest, record } = known.get(one) ?? { digest: sha256(one.kind), record: null as Json };
    const value = async <V>(): Promise<V> => {
      if (unseenSource({ record }) !== undefined) throw new Error("its files are nowhere");
      // A part is read in the whole.
      return { tree: known.get(one.inputs["source"] ?? one)?.tree ?? tree } as V;
    };
    return { step: one, digest, record, inputs: inputsOf(one, known), value };
  };
  return Object.fromEntries(Object.entries(step.inputs).map(([name, one]) => [name, input(one)]));
}

const holding = (text: string): Tree =>
  treeOf([["/a", { type: "file", content: bytesContent(text), ...attributes(0o644) }]]);
const tree = holding("a");
const gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
const layer = (name: string): BaseLayer => ({
  descriptor: { mediaType: gzip, digest: sha256(`packed ${name}`), size: 1 },
  diffId: sha256(name),
});

/** A document of steps and the layers that each came to, lowest first; `createdAt` counts up. */
async function documentOf(
  name: string,
  results: readonly (readonly [Step, ...(readonly string[])[]])[],
): Promise<OpenedDocument> {
  const vertices = new Vertices(async () => tree);
  const layers: { layer: BaseLayer; parent: number }[] = [];
  const records: CacheRecord[] = [];
  const places = new Map<Vertex, number>();
  const placed = async (vertex: Vertex): Promise<number> => {
    const there = places.get(vertex);
    if (there !== undefined) return there;
    const inputs = await Promise.all(
      vertex.inputs.map(async ({ vertex: below, selector, content }) => {
        const links = below === undefined ? [] : [{ selector, link: await placed(below) }];
        const [digest] = (await content?.()) ?? [];
        if (digest === undefined) return links;
        records.push({ digest, results: [], chains: [], inputs: [] });
        return [...links, { selector: "", link: records.length - 1 }];
      }),
    );
    const digest = vertex.names[0] ?? sha256("");
    records.push({ digest, results: [], chains: [], inputs });
    places.set(vertex, records.length - 1);
    return records.length - 1;
  };
  for (const [step, ...stacks] of results) {
    const vertex = await vertices.of(step);
    if (vertex === undefined) throw new Error(`no vertex for ${step.kind}`);
    const at = await placed(vertex);
    const record = records[at];
    if (record === undefined) throw new Error("no record");
    const tops = stacks.map((stack, time) => {
      for (const [height, one] of stack.entries()) {
        layers.push({ layer: layer(one), parent: height === 0 ? -1 : layers.length - 1 });
      }
      return { layer: layers.length - 1, createdAt: `2026-01-0${time + 1}T00:00:00Z` };
    });
    records[at] = { ...record, results: tops };
  }
  return { digest: sha256(name), records, layers };
}

const store = { has: async () => false } as unknown as Store;
const home = { store, signal: new AbortController().signal, fetchBlob: async () => false };

async function found(
  step: Step,
  documents: readonly OpenedDocument[],
  known: Known = new Map(),
): Promise<string | undefined> {
  const search = new CacheSearch(documents, home);
  const asked = { step, key: sha256("key"), inputs: inputsOf(step, known) };
  const outcome = await search.find(asked);
  if (outcome === undefined) return undefined;
  const source = unseenSource(outcome);
  const names = ["a", "b", "c", "d"].filter((name) => foundLayer(outcome)?.diffId === sha256(name));
  return source === undefined ? names[0] : `unseen in ${source === sha256("one") ? "one" : "other"}`;
}

const lowerOf = (step: Step, known: Known = new Map()): Input => {
  const { lower } = inputsOf(step, known);
  if (lower === undefined) throw new Error("no lower");
  return lower;
};

const first = mkdir(base, "/first");
const second = mkdir(first, "/second");

describe("a step in a cache of BuildKit's", () => {
  it("is the top of the stack that lies over the one below", async () => {
    const document = await documentOf("one", [
      [first, ["base", "a"]],
      [second, ["base", "a", "b"]],
    ]);
    expect(await found(first, [document])).toBe("a");
    const known = new Map([[first, foundOutcome(lowerOf(first), layer("a"))]]);
    expect(await found(second, [document], known)).toBe("b");
  });

  it("is not found by what it is not", async () => {
    const document = await documentOf("one", [[first, ["base", "a"]]]);
    expect(await found(mkdir(base, "/other"), [document])).toBeUndefined();
    expect(await found(mkdir(scratchStep, "/first"), [document])).toBeUndefined();
    expect(await found({ ...first, kind: "packages" }, [document])).toBeUndefined();
  });

  it("is the youngest of several results", async () => {
    expect(await found(first, [await documentOf("one", [[first, ["base", "a"], ["base", "b"]]])])).toBe("b");
  });

  it.each([
    ["no result", []],
    ["a result over another base", [["other", "a"]]],
    ["a result with a layer more", [["base", "a", "b"]]],
    ["a result with a layer less", [["base"]]],
  ])("is known and not seen with %s", async (_what, stacks: string[][]) => {
    expect(await found(first, [await documentOf("one", [[first, ...stacks]])])).toBe("unseen in one");
  });

  it("is taken from the first document that has a layer of it", async () => {
    const one = await documentOf("one", [[first]]);
    const other = await documentOf("other", [[first, ["base", "a"]]]);
    expect(await found(first, [one, other])).toBe("a");
    expect(await found(first, [one])).toBe("unseen in one");
  });

  it("does not stand on what the step below came to elsewhere, or here", async () => {
    const document = await documentOf("one", [
      [first, ["base", "a"]],
      [second, ["base", "a", "b"]],
    ]);
    const over = (outcome: Outcome) => found(second, [document], new Map([[first, outcome]]));
    expect(await over({ digest: sha256("run here"), record: null })).toBeUndefined();
    expect(await over(foundOutcome(lowerOf(first), layer("c")))).toBeUndefined();
    expect(await over(unseenOutcome(sha256("k"), sha256("other")))).toBeUndefined();
    expect(await over(unseenOutcome(sha256("k"), sha256("one")))).toBe("unseen in one");
  });

  it("copies what the document's builder had, and nothing else", async () => {
    const step = copy(base, first);
    const document = await documentOf("one", [
      [first, ["base", "a"]],
      [step, ["base", "b"]],
    ]);
    const from = (outcome: Outcome & { tree?: Tree }) => found(step, [document], new Map([[first, outcome]]));
    expect(await from(foundOutcome(lowerOf(first), layer("a")))).toBe("b");
    expect(await from(unseenOutcome(sha256("k"), sha256("one")))).toBe("b");
    // These are of another builder, and nobody wants their files yet.
    expect(await from(foundOutcome(lowerOf(first), layer("c")))).toBeUndefined();
    expect(await from(unseenOutcome(sha256("k"), sha256("other")))).toBeUndefined();
    const here = { digest: sha256("run here"), record: null };
    expect(await from({ ...here, tree })).toBe("b");
    expect(await from({ ...here, tree: holding("other") })).toBeUndefined();
  });

  it("asks for content only when no document knows a definition", async () => {
    const step = copy(base, first);
    const same = await documentOf("one", [
      [first, ["base", "c"]],
      [step, ["base", "d"]],
    ]);
    const own = await documentOf("other", [
      [first, ["base", "a"]],
      [step, ["base", "b"]],
    ]);
    const known = new Map([[first, foundOutcome(lowerOf(first), layer("a"))]]);
    expect(await found(step, [same, own], known)).toBe("b");
  });

  it("is found anew when what it stands on came to something else", async () => {
    const step = copy(base, first);
    const document = await documentOf("one", [[step, ["base", "b"]]]);
    const search = new CacheSearch([document], home);
    const find = (own: Tree): Promise<Outcome | undefined> => {
      const here = new Map([[first, { digest: sha256("run here"), record: null, tree: own }]]);
      return search.find({ step, key: sha256("key"), inputs: inputsOf(step, here) });
    };
    expect(await find(holding("other"))).toBeUndefined();
    expect(foundLayer((await find(tree)) ?? { record: null })).toEqual(layer("b"));
    expect(await find(holding("other"))).toBeUndefined();
  });

  it("is found by the content of what it copies from a context", async () => {
    const step = copy(base, context);
    expect(await found(step, [await documentOf("one", [[step, ["base", "a"]]])])).toBe("a");
  });

  it("whose files cannot be read is left to whoever runs it", async () => {
    const step = copy(base, context);
    const document = await documentOf("one", [[step, ["base", "a"]]]);
    // It has the same name: where its files are from is no part of that.
    const missing = copy(base, context, { sources: [{ input: "source", path: "/not/a", unpack: false }] });
    expect(await found(missing, [document])).toBeUndefined();
  });

  it("that copies with --link is a layer of its own, whatever is below", async () => {
    const over = (lower: Step): Step => copy(lower, context, { alone: true });
    const document = await documentOf("one", [
      [copy(scratchStep, context), ["a"]],
      [over(base), ["base", "a"]],
    ]);
    const here = new Map([[first, { digest: sha256("run here"), record: null }]]);
    expect(await found(over(first), [document], here)).toBe("a");
    expect(await found(over(base), [document])).toBe("a");
  });
});

describe("what is made of a step that was found", () => {
  const search = new CacheSearch([], home);
  const find = (step: Step, known: Known): Promise<Outcome | undefined> =>
    search.find({ step, key: sha256("key"), inputs: inputsOf(step, known) });

  it("is a part of it without looking at it", async () => {
    const part = copy(base, first).inputs["source"] ?? base;
    const digestOf = async (outcome: Outcome): Promise<Digest | undefined> =>
      (await find(part, new Map([[first, outcome]])))?.digest;
    expect(await digestOf(foundOutcome(lowerOf(first), layer("a")))).toBeDefined();
    expect(await digestOf(unseenOutcome(sha256("k"), sha256("one")))).toBeDefined();
    expect(await digestOf({ digest: sha256("run here"), record: null })).toBeUndefined();
  });

  it("is not its layer where that is not to be had, nor where another is wanted", async () => {
    const known = new Map([[first, foundOutcome(lowerOf(first), layer("a"))]]);
    const fetched: Digest[] = [];
    const fetching = new CacheSearch([], {
      ...home,
      fetchBlob: async (digest) => {
        fetched.push(digest);
        return false;
      },
    });
    const wanted = layerStep(first, "it", { type: "gzip" });
    const others = [
      layerStep(first, "it", { type: "zstd" }),
      layerStep(first, "it", { type: "gzip", level: 9 }),
      layerStep(first, "it", { type: "gzip" }, "linux/amd64", { newest: 0 }),
      layerStep(first, "it", { type: "gzip" }, "linux/amd64", { windows: { mtime: 0 } }),
    ];
    for (const step of [wanted, ...others]) {
      const asked = { step, key: sha256("key"), inputs: inputsOf(step, known) };
      expect(await fetching.find(asked)).toBeUndefined();
    }
    expect(fetched).toEqual([layer("a").descriptor.digest]);
  });
});
