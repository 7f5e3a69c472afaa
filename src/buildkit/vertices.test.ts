import { describe, expect, it } from "vitest";
import { baseStep, contextStep, type Step, stepsOf } from "../build/index.ts";
import { parseDockerfile, planDockerfile } from "../dockerfile/index.ts";
import type { Image, ImageConfig } from "../image/index.ts";
import { bytesContent, type Digest, sha256 } from "../io/index.ts";
import { attributes, type Tree, treeOf } from "../tree/index.ts";
import type { CacheRecord } from "./cache-document.ts";
import { RecordGraph } from "./record-graph.ts";
import { baseLayer, contextFiles, type Recording, recordings } from "./recorded-fixture.ts";
import type { Vertex } from "./vertex.ts";
import { Vertices } from "./vertices.ts";

const platform = { os: "linux", architecture: "amd64" };
const contextTree = treeOf(
  Object.entries(contextFiles).map(([path, text]) => {
    const bytes = Buffer.from(text);
    return [`/${path}`, { type: "file", content: bytesContent(bytes, sha256(bytes)), ...attributes(0o644) }];
  }),
);

/** The steps of a Dockerfile as a build for linux/amd64 has them, on a base of which only the layers are known. */
async function stepsOfDockerfile(text: string, more: { epoch?: number; hosts?: [string, string][] } = {}) {
  const config = { ...platform, rootfs: { type: "layers", diff_ids: [baseLayer] } } as ImageConfig;
  const base = (digest: Digest): Step =>
    baseStep(digest, {
      image: {
        descriptor: { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 1 },
        config: async () => config,
        platform: async () => platform,
      } as Image,
      cacheDirectory: "/nowhere",
    });
  const { images } = await planDockerfile(parseDockerfile(text, "Dockerfile"), {
    buildArguments: new Map(),
    labels: {},
    platform,
    buildPlatform: platform,
    context: contextStep("main", { directory: "/nowhere" } as Parameters<typeof contextStep>[1]),
    named: async () => undefined,
    base: async () => ({ step: base(sha256("manifest")), digest: sha256("manifest"), config, layers: [] }),
    network: "host",
    extraHosts: more.hosts ?? [],
    allowed: new Set(),
    forms: [{ compression: { type: "gzip" } }],
    environment: {},
    cacheDirectory: "/nowhere",
    secret: async () => undefined,
    ...(more.epoch === undefined ? {} : { epoch: more.epoch }),
  });
  const kinds = ["base", "run", "copy", "workdir"];
  return [...stepsOf(images)].filter(({ kind }) => kinds.includes(kind));
}

/** Only the context is read: all else is known by what it is made of. */
async function onlyTheContext(step: Step): Promise<Tree> {
  if (step.kind !== "context") throw new Error(`the tree of ${step.label ?? step.kind} is asked for`);
  return contextTree;
}

function recordsOf({ records }: Recording): CacheRecord[] {
  const lines = records.trim().split("\n");
  return lines.map((line) => {
    const [digest, ...inputs] = line.split(" ");
    const links = inputs.map((input) =>
      input.split("|").map((link) => {
        const [place = "", selector] = link.split("@").reverse();
        return { selector: selector === undefined ? "" : `sha256:${selector}`, link: Number(place) };
      }),
    );
    return { digest: `sha256:${digest}` as Digest, results: [], chains: [], inputs: links };
  });
}

async function named(text: string, more: Parameters<typeof stepsOfDockerfile>[1] = {}) {
  const vertices = new Vertices(onlyTheContext);
  const steps = await stepsOfDockerfile(text, more);
  return Promise.all(steps.map((step) => vertices.of(step)));
}

describe("the steps of Dockerfiles in caches that docker wrote", () => {
  it.each(recordings)("$name", async (recording) => {
    const records = recordsOf(recording);
    const graph = new RecordGraph(records);
    const vertices = new Vertices(onlyTheContext);
    const found = new Set<number>();
    const visit = async (vertex: Vertex | undefined): Promise<number> => {
      if (vertex === undefined) return 0;
      const places = await graph.find(vertex);
      for (const place of places) found.add(place);
      for (const input of vertex.inputs) await visit(input.vertex);
      return places.size;
    };
    const missing: string[] = [];
    for (const step of await stepsOfDockerfile(recording.dockerfile)) {
      if ((await visit(await vertices.of(step))) === 0) missing.push(step.label ?? step.kind);
    }
    expect(missing).toEqual([]);
    // What is left are roots of contents, and other names of the base.
    const left = records.filter((_record, at) => !found.has(at));
    expect(left.filter(({ inputs }) => inputs.length > 0)).toEqual([]);
  });

  it("a changed file in the context is not in them", async () => {
    const recording = recordings.find(({ name }) => name === "directories");
    if (recording === undefined) throw new Error("there is no such recording");
    const changed = treeOf([
      ...[...contextTree.entries()].filter(([path]) => path !== "/a"),
      ["/a", { type: "file", content: bytesContent(Buffer.from("x"), sha256("x")), ...attributes(0o644) }],
    ]);
    const graph = new RecordGraph(recordsOf(recording));
    const vertices = new Vertices(async () => changed);
    const steps = await stepsOfDockerfile(recording.dockerfile);
    const hits = await Promise.all(
      steps.map(async (step) => {
        const vertex = await vertices.of(step);
        return [step.kind, vertex !== undefined && (await graph.find(vertex)).size > 0];
      }),
    );
    expect(hits).toEqual([
      ["base", true],
      ["workdir", true],
      ["workdir", true],
      ["workdir", true],
      ["copy", false],
      ["copy", false],
      ["copy", false],
    ]);
  });
});

describe("the name of a step", () => {
  it("does not depend on the address of a host, but on its name", async () => {
    const text = "FROM busybox\nRUN true\n";
    const [one, two, other] = await Promise.all(
      [["a", "1.1.1.1"] as const, ["a", "2.2.2.2"] as const, ["b", "1.1.1.1"] as const].map(
        ([name, address]) => named(text, { hosts: [[name, address]] }),
      ),
    );
    expect(one?.[1]?.names).toEqual(two?.[1]?.names);
    expect(one?.[1]?.names).not.toEqual(other?.[1]?.names);
  });

  it("depends on the time that is asked for, were it the epoch itself", async () => {
    const text = "FROM busybox\nWORKDIR /x\n";
    const names = await Promise.all(
      [{}, { epoch: 0 }, { epoch: 1 }].map(async (more) => (await named(text, more))[1]?.names[0]),
    );
    expect(new Set(names).size).toBe(3);
  });

  it("is none where BuildKit does nothing of the kind, nor above it", async () => {
    const steps = await stepsOfDockerfile("FROM busybox\nRUN true\nWORKDIR /x\n");
    const [base, run, workdir] = steps;
    if (base === undefined || run === undefined || workdir === undefined)
      throw new Error("steps are missing");
    const vertices = new Vertices(onlyTheContext);
    const strange: Step = { kind: "carve", parameters: null, inputs: { lower: base } };
    const limited: Step = { ...run, parameters: { ...(run.parameters as object), pidsLimit: 3 } };
    for (const lower of [strange, limited]) {
      expect(await vertices.of(lower)).toBeUndefined();
      expect(await vertices.of({ ...workdir, inputs: { lower } })).toBeUndefined();
    }
    expect(await vertices.of(workdir)).toBeDefined();
  });
});
