import { randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readManifest } from "../src/image/index.ts";
import { openStore } from "../src/store/index.ts";
import { buildx, EnginePlace, engineAnswers } from "./docker-engine.ts";
import type { DockerfilePlace } from "./dockerfile-place.ts";
import type { Finished } from "./program.ts";
import type { RegistryProcess } from "./registry-servers.ts";

const up = engineAnswers("nothing is taken from BuildKit's caches here");

/** The instructions that were carried out in the end, and those that were not. */
function told(stderr: string): { readonly done: string[]; readonly cached: string[] } {
  const labels = new Map<string, string>();
  const ends = new Map<string, string>();
  for (const line of stderr.split("\n")) {
    const [, number = "", text = ""] = /^(#\d+) (.*)$/.exec(line) ?? [];
    const label = /^\[[^\]]*\] ((?:RUN|COPY|ADD|WORKDIR) .*)/.exec(text)?.[1];
    if (label !== undefined) labels.set(number, label);
    const end = /^(?:CACHED|DONE|CANCELED)/.exec(text)?.[0];
    if (end !== undefined) ends.set(labels.get(number) ?? "", end);
  }
  const ended = (wanted: string): string[] =>
    [...ends].flatMap(([label, end]) => (end === wanted ? [label] : [])).sort();
  return { done: ended("DONE"), cached: ended("CACHED") };
}

describe.runIf(up)("a cache that BuildKit wrote", () => {
  const random = "head -c 16 /dev/urandom >";
  let shared: EnginePlace;
  let place: DockerfilePlace;
  let registry: RegistryProcess;
  let work: string;
  let base: string;

  beforeAll(async () => {
    shared = await EnginePlace.make();
    ({ ours: place, registry, directory: work } = shared);
    base = await shared.pushBase();
  });
  afterAll(() => shared?.remove());

  const context = (dockerfile: string, files?: Readonly<Record<string, string>>): string =>
    shared.context(dockerfile, files);

  let stores = 0;
  const newStore = (): string => join(place.directory, `store-${stores++}`);

  const build = (store: string, ...words: string[]): Promise<Finished> =>
    place.build(["--network=host", "-t", "built:1", ...words], { store });

  /** The layers above the base's, as a manifest names them. */
  async function ownLayers(store: string): Promise<string[]> {
    const opened = await openStore(store);
    const descriptor = await opened.resolve("built:1");
    if (descriptor === undefined) throw new Error("nothing was built");
    return (await readManifest(opened, descriptor)).layers.slice(1).map(({ digest }) => digest);
  }

  async function pushedLayers(name: string): Promise<string[]> {
    const [repository, tag] = name.slice(registry.host.length + 1).split(":");
    const answer = await fetch(`http://${registry.host}/v2/${repository}/manifests/${tag}`, {
      headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
    });
    const { layers } = (await answer.json()) as { layers: { digest: string }[] };
    return layers.slice(1).map(({ digest }) => digest);
  }

  const content = async (store: string, path: string): Promise<string> => {
    const out = mkdtempSync(join(place.directory, "out-"));
    const { status, stderr } = await place.whittle(["copy", "built:1", `rootfs:${out}/r`], { store });
    if (status !== 0) throw new Error(stderr);
    return readFileSync(join(out, "r", path)).toString("hex");
  };

  /** What a build is of: other commands each time, as BuildKit writes into a cache all that it has of them. */
  function dockerfile(): {
    readonly text: string;
    readonly made: string[];
    readonly copied: string;
    readonly last: string;
  } {
    const directory = `/made-${randomBytes(8).toString("hex")}`;
    const made = [
      `COPY a ${directory}/a`,
      `RUN ${random} ${directory}/r`,
      "RUN true",
      `WORKDIR ${directory}`,
      "WORKDIR /tmp",
    ];
    const [sent, drawn, nothing, begun, ended] = made;
    const copied = `COPY --from=made ${directory}/r /r`;
    const last = `RUN rm /one && ${random} /two`;
    const text =
      `FROM ${base} AS made\n${begun}\n${sent}\n${drawn}\n${nothing}\n${ended}\n` +
      `FROM ${base}\nRUN ${random} /one\nWORKDIR /etc\nCOPY --link a /linked\n` +
      `${copied}\nADD b /b\n${last}\n`;
    return { text, made, copied, last };
  }
  const files = { a: "a", b: "b" };

  it.each([
    "type=registry,mode=max",
    "type=registry,mode=min",
    "type=registry,mode=max,compression=zstd,force-compression=true",
    "type=registry,mode=max,image-manifest=false,oci-mediatypes=false",
    "type=local,mode=max",
    "type=local,mode=min",
    "type=inline",
  ])("spares every step, and only the image's layers are fetched: %s", async (to) => {
    const kind = /^type=(\w+)/.exec(to)?.[1] as "registry" | "local" | "inline";
    // What stands on COPY --link is in no cache inside of an image.
    const { text } = dockerfile();
    const directory = context(kind === "inline" ? text.replace("--link ", "") : text, files);
    const image = `${registry.host}/image:${stores}`;
    const cache = `${registry.host}/cache:${stores}`;
    const local = mkdtempSync(join(work, "local-"));
    const where = { registry: `,ref=${cache}`, local: `,dest=${local}`, inline: "" };
    buildx("--cache-to", `${to}${where[kind]}`, "-t", image, "--push", directory);
    const from = { registry: cache, local: `type=local,src=${local}`, inline: image }[kind];
    const zstd = to.includes("zstd") ? ["--compression=zstd"] : [];
    const store = newStore();
    const first = await build(store, directory, "--cache-from", from, ...zstd);
    expect(told(first.stderr).done).toEqual([]);
    expect(first.stderr).not.toContain("warning");
    const layers = await ownLayers(store);
    if (zstd.length === 0) expect(layers).toEqual(await pushedLayers(image));
    // Beside the layers there are the base's layer and two manifests with their configurations.
    expect(readdirSync(join(store, "blobs/sha256")).length).toBe(new Set(layers).size + 5);
    const second = await build(store, directory, ...zstd);
    expect([second.stdout, told(second.stderr).done]).toEqual([first.stdout, []]);
    expect((await place.whittle(["store", "verify"], { store })).status).toBe(0);
  });

  it("is left behind where something else begins", async () => {
    const { text, last } = dockerfile();
    const directory = context(text, files);
    const ref = `${registry.host}/changed:1`;
    const image = `${registry.host}/changed:image`;
    buildx("--cache-to", `type=registry,mode=max,ref=${ref}`, "-t", image, "--push", directory);
    const theirs = await pushedLayers(image);
    const ownLast = newStore();
    writeFileSync(join(directory, "Dockerfile"), text.replace("/two", "/three"));
    const otherLast = await build(ownLast, directory, "--cache-from", ref);
    expect(told(otherLast.stderr).done).toEqual([last.replace("/two", "/three")]);
    expect((await ownLayers(ownLast)).slice(0, -1)).toEqual(theirs.slice(0, -1));
    // What stands on it is run again, without a cache too.
    writeFileSync(join(directory, "b"), "other");
    writeFileSync(join(directory, "Dockerfile"), text);
    const store = newStore();
    for (const words of [["--cache-from", ref], []]) {
      const { stderr } = await build(store, directory, ...words);
      expect(told(stderr).done).toEqual(words.length === 0 ? [] : ["ADD b /b", last]);
    }
    expect((await ownLayers(store)).slice(0, 4)).toEqual(theirs.slice(0, 4));
    expect(await content(store, "b")).toBe(Buffer.from("other").toString("hex"));
  });

  it("runs stages again whose results it does not hold once they are wanted", async () => {
    const { text, made, copied, last } = dockerfile();
    const directory = context(text, files);
    const ref = `${registry.host}/min:1`;
    buildx("--cache-to", `type=registry,mode=min,ref=${ref}`, directory);
    const store = newStore();
    writeFileSync(join(directory, "Dockerfile"), text.replace(copied, copied.replace(/r$/, "other")));
    const { stderr } = await build(store, directory, "--cache-from", ref);
    const { done, cached } = told(stderr);
    expect(done).toEqual(["ADD b /b", copied.replace(/r$/, "other"), ...made, last].sort());
    expect(cached).toEqual([`RUN ${random} /one`, "WORKDIR /etc", "COPY --link a /linked"].sort());
    expect((await content(store, "other")).length).toBe(32);
  });

  it("knows what was run here by its content", async () => {
    const text = (command: string): string =>
      `FROM ${base} AS made\nRUN ${command}\n` +
      `FROM ${base}\nCOPY --from=made /out /out\nRUN --mount=from=made,target=/m ${random} /last\n`;
    const directory = context(text(`echo ${work} > /out && touch -d @1 /out`));
    const ref = `${registry.host}/content:1`;
    buildx("--cache-to", `type=registry,mode=max,ref=${ref}`, directory);
    const same = `printf '%s\\n' ${work} > /out && touch -d @2 /out`;
    writeFileSync(join(directory, "Dockerfile"), text(same));
    const other = await build(newStore(), directory, "--cache-from", ref);
    expect(told(other.stderr).done).toEqual([`RUN ${same}`]);
    writeFileSync(join(directory, "Dockerfile"), text(`${same} && echo >> /out`));
    const more = await build(newStore(), directory, "--cache-from", ref);
    expect(told(more.stderr).cached).toEqual([]);
  });

  it("goes on into caches of ours, also what no image needed", async () => {
    const { text, copied, last } = dockerfile();
    const directory = context(text, files);
    const [theirs, ours] = [`${registry.host}/relay:theirs`, `${registry.host}/relay:ours`];
    buildx("--cache-to", `type=registry,mode=max,ref=${theirs}`, directory);
    const store = newStore();
    const to = ["--cache-to", `type=registry,mode=max,ref=${ours}`];
    await build(store, directory, "--cache-from", theirs, ...to);
    const other = copied.replace(/r$/, "other");
    writeFileSync(join(directory, "Dockerfile"), text.replace(copied, other));
    const { stderr } = await build(newStore(), directory, "--cache-from", ours);
    expect(told(stderr).done).toEqual(["ADD b /b", other, last].sort());
  });

  it("counts mounts, arguments and secrets as BuildKit does", async () => {
    const directory = context(
      `FROM ${base}\nARG A=1\nRUN --mount=type=cache,target=/c --mount=type=secret,id=s ${random} /one\n` +
        `RUN --mount=type=bind,source=a,target=/a --mount=type=tmpfs,target=/t ${random} /two\n` +
        "COPY <<TEXT /text\nA is $A\nTEXT\n",
      files,
    );
    const ref = `${registry.host}/mounts:1`;
    const secret = join(work, "secret");
    writeFileSync(secret, "1");
    buildx("--cache-to", `type=registry,mode=max,ref=${ref}`, "--secret", `id=s,src=${secret}`, directory);
    writeFileSync(secret, "2");
    const words = [directory, "--secret", `id=s,src=${secret}`, "--cache-from", ref];
    const same = await build(newStore(), ...words);
    expect(told(same.stderr).done).toEqual([]);
    const argument = await build(newStore(), ...words, "--build-arg", "A=2");
    expect(told(argument.stderr).cached).toEqual([]);
    writeFileSync(join(directory, "a"), "other");
    const shown = await build(newStore(), ...words);
    expect(told(shown.stderr).cached.length).toBe(1);
  });

  it("is not asked about what is to be run again, nor about what stands on that", async () => {
    const { text, made, copied, last } = dockerfile();
    const directory = context(text, files);
    const ref = `${registry.host}/fresh:1`;
    buildx("--cache-to", `type=registry,mode=max,ref=${ref}`, directory);
    const none = await build(newStore(), directory, "--cache-from", ref, "--no-cache");
    expect(told(none.stderr).cached).toEqual([]);
    const some = await build(newStore(), directory, "--cache-from", ref, "--no-cache-filter", "made");
    expect(told(some.stderr).done).toEqual(["ADD b /b", copied, ...made, last].sort());
  });

  it("is not mixed with what the same steps came to here", async () => {
    const { text, last } = dockerfile();
    const directory = context(text, files);
    const store = newStore();
    writeFileSync(join(directory, "Dockerfile"), text.replace(/RUN rm.*\n/, ""));
    await build(store, directory);
    const own = await ownLayers(store);
    writeFileSync(join(directory, "Dockerfile"), text);
    const ref = `${registry.host}/mixed:1`;
    buildx("--cache-to", `type=registry,mode=max,ref=${ref}`, directory);
    const { stderr } = await build(store, directory, "--cache-from", ref);
    expect(told(stderr).done).toEqual([last]);
    expect((await ownLayers(store)).slice(0, -1)).toEqual(own);
  });

  it("of another platform is of no use, but the platform's own is", async () => {
    const directory = context(
      `FROM --platform=$BUILDPLATFORM ${base} AS made\nARG TARGETARCH\n` +
        `RUN echo $TARGETARCH > /arch && ${random} /r\nFROM scratch\nCOPY --from=made /arch /r /\n`,
    );
    const ref = `${registry.host}/platform:1`;
    buildx("--platform=linux/arm64", "--cache-to", `type=registry,mode=max,ref=${ref}`, directory);
    const words = [directory, "--cache-from", ref];
    const other = await build(newStore(), ...words, "--platform=linux/amd64");
    expect(told(other.stderr).cached).toEqual([]);
    const same = await build(newStore(), ...words, "--platform=linux/arm64");
    expect(told(same.stderr).done).toEqual([]);
  });

  it.each(["registry", "inline"])("of several platforms spares each its steps: %s", async (kind) => {
    const directory = context(
      `FROM --platform=$BUILDPLATFORM ${base} AS made\nARG TARGETARCH\n` +
        `RUN echo $TARGETARCH ${kind} > /arch && ${random} /r\nFROM scratch\nCOPY --from=made /arch /r /\n`,
    );
    const platforms = "--platform=linux/amd64,linux/arm64";
    const [image, cache] = [`${registry.host}/several:${kind}`, `${registry.host}/several:cache`];
    const to = kind === "inline" ? "type=inline" : `type=registry,ref=${cache}`;
    buildx(platforms, "--cache-to", to, "-t", image, "--push", directory);
    const from = kind === "inline" ? image : cache;
    const { stderr } = await build(newStore(), directory, platforms, "--cache-from", from);
    expect(told(stderr).done).toEqual([]);
  });

  it("that is damaged costs a warning and time, never a wrong image", async () => {
    const directory = context(
      `FROM ${base}\nRUN ${random} /one && cp /one /copy\nRUN cat /one /one > /two\nCOPY a /a\n`,
      files,
    );
    const whole = mkdtempSync(join(work, "whole-"));
    buildx("--cache-to", `type=local,mode=max,dest=${whole}`, directory);
    const damages: Readonly<Record<string, (file: string) => void>> = {
      flipped: (file) => {
        const bytes = readFileSync(file);
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
        writeFileSync(file, bytes);
      },
      missing: (file) => rmSync(file),
    };
    const layers = layersOfCache(whole).slice(0, -1);
    expect(layers.length).toBeGreaterThan(1);
    for (const [damage, spoil] of Object.entries(damages)) {
      for (const layer of layers) {
        const damaged = mkdtempSync(join(work, `${damage}-`));
        cpSync(whole, damaged, { recursive: true });
        spoil(join(damaged, "blobs/sha256", layer.slice("sha256:".length)));
        const store = newStore();
        const { stderr } = await build(store, directory, "--cache-from", `type=local,src=${damaged}`);
        if (told(stderr).done.length > 0) expect(stderr).toMatch(/warning: the cache .* is of no use/);
        const [one, copy, two] = await Promise.all(
          ["one", "copy", "two"].map((name) => content(store, name)),
        );
        expect([copy, two]).toEqual([one, `${one}${one}`]);
        expect((await place.whittle(["store", "verify"], { store })).status).toBe(0);
      }
    }
  });
});

/** The layers of a cache in a directory, each once. */
function layersOfCache(directory: string): string[] {
  const read = (digest: string): unknown =>
    JSON.parse(readFileSync(join(directory, "blobs/sha256", digest.slice("sha256:".length)), "utf8"));
  const index = JSON.parse(readFileSync(join(directory, "index.json"), "utf8")) as {
    manifests: { digest: string }[];
  };
  const { layers } = read(index.manifests[0]?.digest ?? "") as {
    layers: { digest: string; mediaType: string }[];
  };
  return [...new Set(layers.map(({ digest }) => digest))];
}
