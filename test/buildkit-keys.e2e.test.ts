import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Step, stepsOf } from "../src/build/index.ts";
import { type CacheRecord, RecordGraph, type Vertex, Vertices } from "../src/buildkit/index.ts";
import { contextFiles, recordings } from "../src/buildkit/recorded-fixture.ts";
import { openCacheImage } from "../src/project/cache-open.ts";
import { openPlace } from "../src/project/cache-place.ts";
import { planBuild } from "../src/project/dockerfile-plan.ts";
import type { DockerfileOptions } from "../src/project/index.ts";
import { solverFor } from "../src/project/solver.ts";
import { openStore, type Store } from "../src/store/index.ts";
import type { Tree } from "../src/tree/index.ts";
import { addBase, makeBase } from "./conformance/base.ts";
import { docker, engineAnswers, peers, peersDirectory } from "./docker-engine.ts";

const up = engineAnswers("no key is compared with BuildKit's here");

/** A Dockerfile, and what both builders are told beside. */
interface Case {
  readonly name: string;
  readonly dockerfile: string;
  readonly flags?: readonly string[];
  readonly options?: Partial<DockerfileOptions>;
}

const plain = "FROM busybox\nRUN echo hello\nWORKDIR /q/\nRUN true\nCOPY a /a\nCOPY --link b /b\n";
const argument = (name: string, value: string) => ({
  flags: ["--build-arg", `${name}=${value}`],
  options: { buildArguments: new Map([[name, value]]) },
});

const cases: readonly Case[] = [
  // There is no server behind addresses.
  ...recordings.filter(({ dockerfile }) => !dockerfile.includes("http://")),
  {
    name: "links, patterns and archives",
    dockerfile: `FROM busybox
COPY link dlink /l/
COPY dlink/x d/../a w/f[12].txt w/f?.txt /m/
COPY --exclude=d/e --exclude=!d/e/y . /q/
COPY --link --exclude=*.tar . /r/
ARG NOTHING
COPY --chmod=$NOTHING --chown=$NOTHING a /n
ADD t.tar /t/
ADD a t.tar /t2/
ADD --unpack=false t.tar /t3/
`,
  },
  {
    name: "what stages left, by its content",
    dockerfile: `FROM busybox AS one
RUN mkdir -p /o/p && echo o > /o/p/q && ln -s q /o/p/l && chown 3:4 /o/p && chmod 4750 /o/p/q
FROM scratch
COPY --from=one /o /o
FROM busybox
RUN --mount=from=one,source=/o,target=/m cat /m/p/l
COPY --from=one --chown=nobody /o/p/l /l
COPY --from=1 /o/p /p
`,
  },
  {
    name: "limits",
    dockerfile: plain,
    flags: ["--ulimit", "nofile=1024:2048", "--ulimit", "core=0"],
    options: {
      limits: [
        { type: "RLIMIT_CORE", soft: 0, hard: 0 },
        { type: "RLIMIT_NOFILE", soft: 1024, hard: 2048 },
      ],
    },
  },
  {
    name: "shared memory",
    dockerfile: plain,
    flags: ["--shm-size", "128m"],
    options: { shmSize: 128 * 1024 * 1024 },
  },
  {
    name: "hosts",
    dockerfile: plain,
    flags: ["--add-host", "b.example:1.2.3.4", "--add-host", "a.example:::1"],
    options: {
      extraHosts: [
        ["b.example", "1.2.3.4"],
        ["a.example", "::1"],
      ],
    },
  },
  { name: "a host name", dockerfile: plain, ...argument("BUILDKIT_SANDBOX_HOSTNAME", "foo") },
  { name: "a time", dockerfile: plain, ...argument("SOURCE_DATE_EPOCH", "1700000000") },
  { name: "the epoch", dockerfile: plain, ...argument("SOURCE_DATE_EPOCH", "0") },
  {
    name: "a proxy",
    dockerfile: "FROM busybox\nRUN echo proxy\nARG http_proxy\nRUN echo $http_proxy\n",
    ...argument("http_proxy", "http://proxy.example:3128"),
  },
  {
    name: "caches of a namespace",
    dockerfile:
      "FROM busybox\nRUN --mount=type=cache,target=/c echo n\nRUN --mount=type=cache,id=c,target=/c echo m\n",
    ...argument("BUILDKIT_CACHE_MOUNT_NS", "space"),
  },
  {
    name: "another platform",
    dockerfile: `FROM --platform=linux/arm64 scratch
COPY a /a
WORKDIR /x
FROM --platform=$BUILDPLATFORM busybox AS b
ARG TARGETARCH
RUN echo $TARGETARCH > /o
FROM scratch
COPY --from=b /o /o
COPY --from=0 /a /a
`,
    flags: ["--platform", "linux/arm64"],
    options: { platforms: ["linux/arm64"] },
  },
  {
    name: "other contexts",
    dockerfile: `FROM busybox AS base
COPY --from=files x /o
RUN --mount=from=files,target=/m cat /m/x
FROM image
COPY --from=base /o /o
COPY b /b
`,
    flags: ["--build-context", "files=FILES", "--build-context", "image=docker-image://busybox"],
    options: {
      contexts: new Map([
        ["files", "FILES"],
        ["image", "docker-image://busybox"],
      ]),
    },
  },
];

describe.runIf(up)("the steps of a Dockerfile in a cache that docker writes now", () => {
  const signal = new AbortController().signal;
  const progress = (): void => undefined;
  let work: string;
  let context: string;
  let store: Store;
  let base: string;

  beforeAll(async () => {
    mkdirSync(peersDirectory, { recursive: true });
    work = mkdtempSync(join(peersDirectory, "keys-"));
    context = join(work, "context");
    for (const [path, text] of Object.entries(contextFiles)) {
      mkdirSync(dirname(join(context, path)), { recursive: true });
      writeFileSync(join(context, path), text);
    }
    symlinkSync("a", join(context, "link"));
    symlinkSync("d", join(context, "dlink"));
    spawnSync("tar", ["-C", context, "-cf", join(context, "t.tar"), "a", "d"]);
    // A name of its own: others test with the engine's busybox.
    base = `keys-${process.pid}`;
    const tar = join(work, "base.tar");
    await makeBase(tar);
    store = await openStore(join(work, "store"), { create: true });
    await addBase(store, tar, base);
    docker(
      "import",
      "--change",
      "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      tar,
      base,
    );
  });
  afterAll(() => {
    if (base !== undefined) spawnSync(peers, ["run", "docker", "rmi", base]);
    if (work !== undefined) rmSync(work, { recursive: true, force: true });
  });

  async function recordsOf(directory: string): Promise<readonly CacheRecord[]> {
    const home = { store, environment: process.env, progress, signal };
    const opened = await openPlace({ kind: "local", directory }, home);
    return (await openCacheImage(opened)).documents.flatMap(({ records }) => records);
  }

  it.each(cases)("$name", async ({ name, dockerfile, flags = [], options = {} }) => {
    const place = mkdtempSync(join(work, "case-"));
    const file = join(place, "Dockerfile");
    const filled = (text: string): string =>
      text
        .replaceAll("busybox:latest", base)
        .replaceAll("busybox", base)
        .replace("FILES", join(context, "d"));
    writeFileSync(file, filled(dockerfile));
    const cache = join(place, "cache");
    const words = [
      "--network=host",
      "--no-cache",
      "--provenance=false",
      "--cache-to",
      `type=local,dest=${cache},mode=max`,
    ];
    docker("buildx", "build", ...words, ...flags.map(filled), "-f", file, context);
    const records = await recordsOf(cache);

    const { contexts = new Map<string, string>() } = options;
    const given: DockerfileOptions = {
      ...{ store, signal, progress, context, file, name, network: "host", warn: progress },
      environment: { ...process.env, XDG_CACHE_HOME: join(work, "own") },
      ...options,
      contexts: new Map([...contexts].map(([key, value]) => [key, filled(value)])),
    };
    const solver = solverFor(given);
    const { platforms } = await planBuild(given, [{ compression: { type: "gzip" } }], "build", solver);
    const treeOf = async (step: Step): Promise<Tree> =>
      (await (await solver.solve(step)).value<{ readonly tree: Tree }>()).tree;
    const vertices = new Vertices(treeOf);
    const graph = new RecordGraph(records);
    const found = new Set<number>();
    const strange: string[] = [];
    const visit = async (vertex: Vertex | undefined): Promise<number> => {
      if (vertex === undefined) return 0;
      const places = await graph.find(vertex);
      for (const [index, input] of vertex.inputs.entries()) {
        await visit(input.vertex);
        const content = await input.content?.();
        for (const { selector, link } of [...places].flatMap(
          (place) => records[place]?.inputs[index] ?? [],
        )) {
          // The engine knows of other things that came to the same in earlier builds.
          if (selector === input.selector) continue;
          if (selector === "" && content?.some((digest) => digest === records[link]?.digest)) continue;
          strange.push(`input ${index} of ${[...places]}: ${selector}@${link}`);
        }
      }
      for (const place of places) found.add(place);
      return places.size;
    };
    const missing: string[] = [];
    for (const step of stepsOf(platforms.flatMap(({ images }) => images))) {
      if (!["base", "run", "copy", "workdir"].includes(step.kind)) continue;
      if ((await visit(await vertices.of(step))) === 0) missing.push(step.label ?? step.kind);
    }
    expect(missing).toEqual([]);
    // Whatever docker says of the contents that are read, they come to the same here.
    expect(strange).toEqual([]);
    const left = records.filter(
      ({ results, chains }, at) => results.length + chains.length > 0 && !found.has(at),
    );
    expect(left).toEqual([]);
  });
});
