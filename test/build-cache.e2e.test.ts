import { readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DockerfilePlace } from "./dockerfile-place.ts";
import { dockerRegistry, type RegistryProcess, whittleServe } from "./registry-servers.ts";

let place: DockerfilePlace;

beforeAll(async () => {
  place = await DockerfilePlace.make();
});

afterAll(() => place.remove());

/** The instructions that were carried out, and those that were taken from the cache. */
function told(stderr: string): { readonly done: string[]; readonly cached: string[] } {
  const kinds = new Map<string, string>();
  const done: string[] = [];
  const cached: string[] = [];
  for (const line of stderr.split("\n")) {
    const [, number = "", text = ""] = /^(#\d+) (.*)$/.exec(line) ?? [];
    const kind = /^\[[^\]]*\] (RUN|COPY|ADD|WORKDIR)/.exec(text)?.[1] ?? kinds.get(number);
    if (kind === undefined) continue;
    kinds.set(number, kind);
    if (text === "CACHED") cached.push(kind);
    else if (text.startsWith("DONE")) done.push(kind);
  }
  return { done, cached };
}

const random = "head -c 16 /dev/urandom";

describe("the cache", () => {
  it("follows content: other times, other files, and files that are left out do not count", async () => {
    const context = place.files("content", {
      Dockerfile: `FROM busybox\nCOPY used.txt /\nRUN ${random} > /r\n`,
      "used.txt": "1",
      "unused.txt": "1",
    });
    const first = await place.build([context]);
    utimesSync(join(context, "used.txt"), 1, 1);
    writeFileSync(join(context, "unused.txt"), "2");
    const second = await place.build([context]);
    expect(second.stdout).toBe(first.stdout);
    expect(told(second.stderr)).toEqual({ done: [], cached: ["COPY", "RUN"] });
    writeFileSync(join(context, "used.txt"), "2");
    const third = await place.build([context]);
    expect(told(third.stderr).done).toEqual(["COPY", "RUN"]);
  });

  it("counts what a mount shows, not what lies beside it", async () => {
    const context = place.files("mounted", {
      Dockerfile: `FROM busybox\nRUN --mount=type=bind,source=in,target=/in ${random} > /r\n`,
      "in/a": "1",
      b: "1",
    });
    const first = await place.build([context]);
    writeFileSync(join(context, "b"), "2");
    expect((await place.build([context])).stdout).toBe(first.stdout);
    writeFileSync(join(context, "in/a"), "2");
    expect((await place.build([context])).stdout).not.toBe(first.stdout);
  });

  it("counts arguments in scope, but no proxies and no secrets", async () => {
    const secret = place.files("secrets", { one: "1", two: "2" });
    const input = `FROM busybox\nARG A\nRUN --mount=type=secret,id=s ${random} > /r\n`;
    const build = async (...words: string[]): Promise<string> =>
      (await place.build(["-", ...words], { input })).stdout;
    const first = await build("--build-arg", "A=1", "--secret", `id=s,src=${secret}/one`);
    const same = ["--build-arg", "http_proxy=http://example.org", "--secret", `id=s,src=${secret}/two`];
    expect(await build("--build-arg", "A=1", ...same)).toBe(first);
    expect(await build("--build-arg", "A=2")).not.toBe(first);
  });

  it("is passed over by --no-cache once, and for some stages by --no-cache-filter", async () => {
    const input =
      `FROM busybox AS one\nRUN ${random} > /one\n` +
      `FROM busybox AS two\nRUN ${random} > /two\nCOPY --from=one /one /\n`;
    const first = await place.build(["-"], { input });
    const second = await place.build(["-", "--no-cache"], { input });
    expect(second.stdout).not.toBe(first.stdout);
    expect((await place.build(["-"], { input })).stdout).toBe(second.stdout);
    const filtered = await place.build(["-", "--no-cache-filter", "two"], { input });
    expect(filtered.stdout).not.toBe(second.stdout);
    expect(told(filtered.stderr)).toEqual({ done: ["RUN", "COPY"], cached: ["RUN"] });
  });

  it("knows what ONBUILD makes of a base", async () => {
    await place.build(["-", "-t", "triggers"], { input: "FROM busybox\nONBUILD RUN touch /triggered\n" });
    await place.build(["-", "-t", "triggered"], { input: "FROM triggers\n" });
    expect(await place.paths("triggered")).toContain("/triggered");
  });
});

describe("stages", () => {
  it("that the target does not need are not built", async () => {
    const input =
      "FROM busybox AS broken\nRUN false\nFROM nowhere AS missing\nFROM busybox AS good\nRUN true\n";
    const { stderr } = await place.build(["-", "--target", "good"], { input });
    expect(stderr).not.toContain("RUN false");
  });

  it("that do not need each other run side by side", async () => {
    // Each waits for the other one: one after the other they would wait for ever.
    const cache = "--mount=type=cache,id=meet,target=/meet";
    const wait = (own: string, other: string): string =>
      `RUN ${cache} touch /meet/${own}; for i in $(seq 300); do [ -e /meet/${other} ] && exit 0; sleep 0.1; done; exit 1\n`;
    const input =
      `FROM busybox AS a\n${wait("a", "b")}FROM busybox AS b\n${wait("b", "a")}` +
      "FROM scratch\nCOPY --from=a /etc/passwd /a\nCOPY --from=b /etc/passwd /b\n";
    await place.build(["-", "-t", "met"], { input });
    expect(await place.paths("met")).toEqual(["/a", "/b"]);
  });

  it("are built for the platform of the machine where they say so", async () => {
    const input =
      "FROM --platform=$BUILDPLATFORM busybox AS build\nARG TARGETARCH TARGETPLATFORM\n" +
      "RUN echo $TARGETPLATFORM > /out-$TARGETARCH\n" +
      "FROM scratch\nARG TARGETARCH\nCOPY --from=build /out-$TARGETARCH /\n";
    await place.build(["-", "--platform", "linux/arm64,linux/riscv64", "-o", "crossed"], { input });
    expect(readFileSync(join(place.directory, "crossed/linux_arm64/out-arm64"), "utf8")).toBe(
      "linux/arm64\n",
    );
    expect(readdirSync(join(place.directory, "crossed/linux_riscv64"))).toEqual(["out-riscv64"]);
  });
});

describe("an exported cache", () => {
  const input =
    `FROM busybox AS made\nRUN ${random} > /made\n` +
    `FROM busybox\nRUN ${random} > /own\nCOPY --from=made /made /\nRUN ${random} > /last\n`;

  it.each(["min", "max"])("spares another machine every step: mode=%s", async (mode) => {
    const to = `type=local,dest=cache-${mode},mode=${mode}`;
    const here = await place.build(["-", "--cache-to", to], { input });
    const store = join(place.directory, `store-${mode}`);
    await place.build(["-o", "type=oci,dest=busybox", "-t", "x", "-"], { input: "FROM busybox\n" });
    const there = await place.build(
      [
        ...["-", "-t", "there", "--cache-from", `type=local,src=cache-${mode}`],
        ...["--build-context", "busybox=oci-layout://busybox"],
      ],
      { input, store },
    );
    expect(there.stdout).toBe(here.stdout);
    expect(told(there.stderr).done).toEqual([]);
    expect((await place.whittle(["store", "verify"], { store })).status).toBe(0);
  });

  it("is the same, and so is the image around it, whether its steps were run or found", async () => {
    const context = place.files("repeated", { a: "1", b: "2" });
    const input =
      `FROM busybox AS made\nCOPY a b /in/\nRUN ${random} > /in/r\n` +
      `FROM busybox\nCOPY --from=made /in /in\nCOPY --link b /b\nRUN ${random} > /r\n`;
    const exported = async (name: string, ...words: string[]): Promise<readonly string[]> => {
      const directory = join(place.directory, name);
      const to = ["--cache-to", `type=local,dest=${directory},mode=max`, "--cache-to", "type=inline"];
      const { stdout } = await place.build([context, "-f", "-", ...to, ...words], { input });
      return [stdout, readFileSync(join(directory, "index.json"), "utf8")];
    };
    const first = await exported("repeated-1", "--no-cache");
    expect(first).toEqual([expect.stringMatching(/^sha256:/), expect.stringContaining("sha256:")]);
    expect(await exported("repeated-2")).toEqual(first);
  });

  it("that is damaged or absent is a warning and a miss", async () => {
    await place.build(["-", "--cache-to", "type=local,dest=damaged,mode=max"], { input });
    const blobs = join(place.directory, "damaged/blobs/sha256");
    for (const name of readdirSync(blobs)) {
      const bytes = readFileSync(join(blobs, name));
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      writeFileSync(join(blobs, name), bytes);
    }
    const store = join(place.directory, "store-damaged");
    const base = ["--build-context", "busybox=oci-layout://busybox"];
    for (const name of ["damaged", "absent"]) {
      rmSync(store, { recursive: true, force: true });
      const finished = await place.build(["-", ...base, "--cache-from", `type=local,src=${name}`], {
        input,
        store,
      });
      expect(finished.stderr).toMatch(/warning: the cache .* is of no use/);
      expect(told(finished.stderr).done.filter((kind) => kind === "RUN").length).toBe(3);
    }
  });

  it.each(["type=registry", "type=registry,ref=:", "type=inline", "type=gha", "type=local,src=x,y=z"])(
    "cannot come from %s",
    async (words) => {
      const finished = await place.tryBuild(["-", "--cache-from", words], { input });
      expect([finished.status, finished.stderr]).toEqual([2, expect.stringContaining(words)]);
    },
  );
});

describe("the cache of a project", () => {
  const files = {
    "whittle.yaml":
      "images:\n  base: { dockerfile: Dockerfile.base }\n" +
      "  app: { dockerfile: Dockerfile, contexts: { below: { image: base } } }\n",
    "Dockerfile.base": `FROM busybox\nRUN ${random} > /base\n`,
    Dockerfile: `FROM below\nRUN ${random} > /app\n`,
  };
  const base = ["--build-context", "busybox=oci-layout://busybox"];
  beforeAll(async () => {
    await place.build(["-o", "type=oci,dest=busybox", "-t", "x", "-"], { input: "FROM busybox\n" });
  });

  it.each([
    ["of the image that it names", "image", (_context: string) => ["--image", "app"]],
    ["of a Dockerfile in it", "file", (context: string) => ["-f", join(context, "Dockerfile")]],
  ])("spares another machine every step %s, also of images below", async (_what, name, chosen) => {
    const context = place.files(`project-${name}`, files);
    const words = [context, ...chosen(context)];
    const here = await place.build([
      ...words,
      "--cache-to",
      `type=local,dest=project-${name}-cache,mode=max`,
    ]);
    const store = join(place.directory, `store-project-${name}`);
    await place.whittle(["copy", "oci:busybox", "busybox"], { store });
    const from = ["--cache-from", `type=local,src=project-${name}-cache`];
    const there = await place.build([...words, ...from], { store });
    expect(there.stdout).toBe(here.stdout);
    expect(told(there.stderr).done).toEqual([]);
    expect((await place.whittle(["store", "verify"], { store })).status).toBe(0);
  });

  it("is inside of an image with BuildKit's build argument as well", async () => {
    const context = place.files("inline", { Dockerfile: `FROM busybox\nRUN ${random} > /app\n` });
    const plain = await place.build([context, ...base]);
    const inline = await place.build([context, ...base, "--cache-to", "type=inline"]);
    const asked = await place.build([context, ...base, "--build-arg", "BUILDKIT_INLINE_CACHE=1"]);
    expect(asked.stdout).toBe(inline.stdout);
    expect(asked.stdout).not.toBe(plain.stdout);
  });

  it("is inside of the images of its Dockerfiles with type=inline", async () => {
    const context = place.files("project-inline", {
      ...{ Dockerfile: `FROM busybox\nRUN ${random} > /app\n` },
      "whittle.yaml": "images:\n  app: { dockerfile: Dockerfile }\n",
    });
    const inline = ["--cache-to", "type=inline"];
    const here = await place.build([context, ...base, ...inline, "-t", "inlined:1"]);
    await place.whittle(["copy", "inlined:1", "oci:inlined:latest"]);
    const store = join(place.directory, "store-project-inline");
    const there = await place.build([context, ...base, ...inline, "--cache-from", "type=local,src=inlined"], {
      store,
    });
    expect(there.stdout).toBe(here.stdout);
    expect(told(there.stderr).done).toEqual([]);
  });

  it("spares what recipes come to as well, but does not fit inside of their images", async () => {
    const context = place.files("recipe-cache", {
      "whittle.yaml":
        "images:\n  one:\n    from: { debian: bookworm, security: false, updates: false }\n" +
        "    packages: [busybox]\n    roots: [/bin/busybox]\n",
    });
    const here = await place.build([context, "--cache-to", "type=local,dest=recipe"]);
    const store = join(place.directory, "store-recipe");
    const there = await place.build([context, "--cache-from", "type=local,src=recipe"], { store });
    expect(there.stdout).toBe(here.stdout);
    expect(there.stderr).toContain("carve cached");
    expect((await place.whittle(["store", "verify"], { store })).status).toBe(0);
    const refused = await place.tryBuild([context, "--cache-to", "type=inline"]);
    expect([refused.status, refused.stderr]).toEqual([
      2,
      expect.stringContaining('Cannot use --cache-to type=inline for the image "one"'),
    ]);
  });

  it.each(["--cache-from", "--cache-to"])("is refused where %s means nothing", async (option) => {
    const context = place.files("refused-cache", files);
    const finished = await place.tryBuild([context, option, "type=gha"]);
    expect([finished.status, finished.stderr]).toEqual([2, expect.stringContaining(`Cannot use ${option}`)]);
  });
});

describe("a cache in a registry", () => {
  const input =
    `FROM busybox AS made\nRUN ${random} > /made\nRUN ${random} > /unused\n` +
    `FROM busybox\nRUN ${random} > /own\nCOPY --from=made /made /\n`;
  const base = ["--build-context", "busybox=oci-layout://busybox"];
  const registries: RegistryProcess[] = [];
  beforeAll(async () => {
    await place.build(["-o", "type=oci,dest=busybox", "-t", "x", "-"], { input: "FROM busybox\n" });
    registries.push(await dockerRegistry(join(place.directory, "registry")));
    registries.push(await whittleServe(join(place.directory, "served")));
  });
  afterAll(async () => {
    for (const registry of registries) await registry.stop();
  });
  const reference = (at: number, name: string): string => `${registries[at]?.host}/${name}`;

  /** Builds on a machine that has seen nothing. */
  async function elsewhere(
    from: string,
    text: string,
  ): Promise<{ stdout: string; ran: string[]; stderr: string }> {
    const store = join(place.directory, "store-elsewhere");
    rmSync(store, { recursive: true, force: true });
    const { stdout, stderr } = await place.build(["-", ...base, "--cache-from", from], {
      input: text,
      store,
    });
    expect((await place.whittle(["store", "verify"], { store })).status).toBe(0);
    return { stdout, stderr, ran: told(stderr).done.filter((kind) => kind === "RUN") };
  }

  it.each([
    [0, "mode=min"],
    [1, "mode=min"],
    [0, "mode=max"],
    [1, "mode=max,compression=zstd,compression-level=5"],
    [1, "mode=max,image-manifest=false"],
    [0, "mode=max,image-manifest=false,oci-mediatypes=false"],
    [1, "mode=max,compression=uncompressed"],
  ])("spares another machine every step: registry %i, %s", async (at, attributes) => {
    const ref = `type=registry,ref=${reference(at, "cache:one")}`;
    const here = await place.build(["-", ...base, "--cache-to", `${ref},${attributes}`], { input });
    const there = await elsewhere(ref, input);
    expect([there.stdout, there.ran]).toEqual([here.stdout, []]);
    // What another stage left is wanted again when what stands on it changes.
    const changed = await elsewhere(ref, `${input}COPY --from=made /made /again\n`);
    expect(changed.ran).toEqual(attributes === "mode=min" ? ["RUN"] : []);
  });

  it("is inside the image with type=inline, for each platform", async () => {
    const name = reference(1, "inline:1");
    const platforms = ["--platform", "linux/amd64,linux/arm64"];
    const text = `FROM --platform=$BUILDPLATFORM busybox AS made\nRUN ${random} > /made\nFROM scratch\nARG TARGETARCH\nCOPY --from=made /made /$TARGETARCH\n`;
    const words = ["-", ...base, ...platforms, "--cache-to", "type=inline", "-t", name, "--push"];
    const here = await place.build(words, { input: text });
    const store = join(place.directory, "store-inline");
    const { stdout, stderr } = await place.build(
      ["-", ...base, ...platforms, "--cache-to", "type=inline", "--cache-from", name],
      { input: text, store },
    );
    expect(stdout).toBe(here.stdout);
    expect(told(stderr).done).toEqual([]);
    expect((await place.whittle(["store", "verify"], { store })).status).toBe(0);
  });

  it("that cannot be reached is a warning, to write to only if asked for", async () => {
    const nowhere = "type=registry,ref=127.0.0.1:1/cache";
    const from = await elsewhere(nowhere, "FROM busybox\nRUN true\n");
    expect(from.stderr).toMatch(/warning: the cache 127.0.0.1:1\/cache is of no use/);
    const to = ["-", ...base, "--cache-to"];
    expect((await place.tryBuild([...to, nowhere], { input })).status).not.toBe(0);
    const { stderr } = await place.build([...to, `${nowhere},ignore-error=true`], { input });
    expect(stderr).toMatch(/warning: the cache 127.0.0.1:1\/cache was not written/);
  });
});

describe("a lock", () => {
  it("holds a build to the bases that an earlier one took", async () => {
    const context = place.files("locked", { Dockerfile: "FROM base\nCOPY . /\n", file: "1" });
    await place.whittle(["tag", "busybox", "base"]);
    const first = await place.build([context, "-t", "locked"]);
    const lock = JSON.parse(readFileSync(join(context, "whittle.lock"), "utf8")) as {
      dockerfiles: Record<string, { bases: Record<string, Record<string, string>> }>;
    };
    expect(Object.keys(lock.dockerfiles["Dockerfile"]?.bases["base"] ?? {})).toHaveLength(1);
    expect(await place.paths("locked")).not.toContain("/whittle.lock");
    await place.build(["-", "-t", "base"], { input: "FROM busybox\nRUN touch /newer\n" });
    expect((await place.build([context, "--locked"])).stdout).toBe(first.stdout);
    expect((await place.build([context])).stdout).not.toBe(first.stdout);
    writeFileSync(join(context, "Dockerfile"), "FROM busybox\n");
    const unknown = await place.tryBuild([context, "--locked"]);
    expect([unknown.status, unknown.stderr]).toEqual([2, expect.stringContaining("does not record busybox")]);
  });
});
