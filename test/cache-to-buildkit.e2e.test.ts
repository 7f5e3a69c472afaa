import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildx, EnginePlace, engineAnswers } from "./docker-engine.ts";
import type { DockerfilePlace } from "./dockerfile-place.ts";
import type { RegistryProcess } from "./registry-servers.ts";

const up = engineAnswers("BuildKit takes nothing from our caches here");

/** The instructions that BuildKit took from a cache, as it says in JSON: what is printed for people leaves some out. */
function cachedOf(told: string): string[] {
  const cached = new Set<string>();
  for (const line of told.split("\n").filter((one) => one.startsWith("{"))) {
    const { vertexes = [] } = JSON.parse(line) as { vertexes?: { name: string; cached?: boolean }[] };
    for (const vertex of vertexes) {
      const label = /^\[[^\]]*\] ((?:RUN|COPY|ADD|WORKDIR) .*)/.exec(vertex.name)?.[1];
      if (vertex.cached === true && label !== undefined) cached.add(label);
    }
  }
  return [...cached].sort();
}

/** The instructions of a Dockerfile that BuildKit makes something of. */
function instructionsOf(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => /^(?:RUN|COPY|ADD|WORKDIR) /.test(line))
    .sort();
}

describe.runIf(up)("a cache that we wrote", () => {
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

  let builds = 0;

  const context = (dockerfile: string, files: Readonly<Record<string, string>>): string =>
    shared.context(dockerfile, files);

  /** Builds with Whittle in a store of its own, and pushes the image. */
  async function exported(directory: string, to: string): Promise<string> {
    const name = `${registry.host}/ours:${builds++}`;
    const store = join(place.directory, `store-${builds}`);
    const words = ["--network=host", "--cache-to", to.replace("NAME", name), "-t", name, "--push", directory];
    const { status, stderr } = await place.build(words, { store });
    if (status !== 0) throw new Error(stderr);
    return name;
  }

  /** Builds with BuildKit, and pushes the image; answers with its name and what was taken from caches. */
  function imported(directory: string, from: string): { readonly name: string; readonly cached: string[] } {
    const name = `${registry.host}/theirs:${builds++}`;
    const stderr = buildx("--progress=rawjson", "--push", "-t", name, "--cache-from", from, directory);
    expect(stderr).toMatch(/importing cache manifest from/);
    expect(stderr).not.toMatch(/"error":/);
    return { name, cached: cachedOf(stderr) };
  }

  async function diffIdsOf(name: string): Promise<string[]> {
    const [repository, tag] = name.slice(registry.host.length + 1).split(":");
    const get = async (path: string): Promise<unknown> => {
      const accept = "application/vnd.oci.image.manifest.v1+json";
      const answer = await fetch(`http://${registry.host}/v2/${repository}/${path}`, { headers: { accept } });
      return answer.json();
    };
    const { config } = (await get(`manifests/${tag}`)) as { config: { digest: string } };
    const { rootfs } = (await get(`blobs/${config.digest}`)) as { rootfs: { diff_ids: string[] } };
    return rootfs.diff_ids;
  }

  /** Two stages, and texts that no BuildKit has seen. Commands leave something else whenever they are run. */
  function stages(): { readonly text: string; readonly files: Record<string, string> } {
    const id = randomBytes(8).toString("hex");
    const text = [
      `FROM ${base} AS made`,
      `ARG ID=${id}`,
      `WORKDIR /src/${id}`,
      "COPY --chown=7:8 one* dir/ ./",
      "COPY --chmod=700 dir/sub /tool",
      `RUN --mount=type=bind,source=dir,target=/mnt cat /mnt/sub/two > two && ${random} three`,
      `RUN echo ${id} > out`,
      `FROM ${base} AS other`,
      `RUN ${random} /other && : ${id}`,
      `FROM ${base}`,
      "ENV A=b",
      `WORKDIR /app/${id}`,
      `COPY --from=made /src/${id}/out /src/${id}/t* ./`,
      `COPY --link --from=other /other /linked/`,
      "COPY --exclude=two dir /copied/",
      `RUN ${random} /last`,
      "",
    ].join("\n");
    return { text, files: { one: id, "one.more": "1\n", "dir/sub/two": id, "dir/three": "3\n" } };
  }

  const registryTo = "type=registry,ref=NAME-cache";

  it.each([
    ["in a registry, mode=max", `${registryTo},mode=max`],
    ["in a registry, mode=min", `${registryTo},mode=min`],
    ["in a registry, as an index", `${registryTo},mode=max,image-manifest=false`],
    ["in a registry, of zstd", `${registryTo},mode=max,compression=zstd`],
    ["inside the image", "type=inline"],
  ])("spares BuildKit every step: %s", async (_, to) => {
    const { text, files } = stages();
    const directory = context(text, files);
    const ours = await exported(directory, to);
    const ref = to === "type=inline" ? ours : `${ours}-cache`;
    const { name, cached } = imported(directory, `type=registry,ref=${ref}`);
    expect(cached).toEqual(instructionsOf(text));
    expect(await diffIdsOf(name)).toEqual(await diffIdsOf(ours));
  });

  it("spares BuildKit every step: in a directory", async () => {
    const { text, files } = stages();
    const directory = context(text, files);
    const written = mkdtempSync(join(work, "cache-"));
    const ours = await exported(directory, `type=local,dest=${written},mode=max`);
    const { name, cached } = imported(directory, `type=local,src=${written}`);
    expect(cached).toEqual(instructionsOf(text));
    expect(await diffIdsOf(name)).toEqual(await diffIdsOf(ours));
  });

  it.each([`${registryTo},mode=max`, `${registryTo},mode=min`, "type=inline"])(
    "spares BuildKit the steps before a changed one: %s",
    async (to) => {
      const { text, files } = stages();
      // BuildKit itself looks for nothing on top of what it merges of layers that it has not.
      const before = text.replace("--link ", "");
      const ours = await exported(context(before, files), to);
      const after = before.replace("/last", "/least");
      const ref = to === "type=inline" ? ours : `${ours}-cache`;
      const { name, cached } = imported(context(after, files), `type=registry,ref=${ref}`);
      expect(cached).toEqual(instructionsOf(after).filter((line) => !line.includes("/least")));
      expect((await diffIdsOf(name)).slice(0, -1)).toEqual((await diffIdsOf(ours)).slice(0, -1));
    },
  );

  it("tells BuildKit that another command came to the same files", async () => {
    const id = randomBytes(8).toString("hex");
    const text = (command: string): string =>
      `FROM ${base} AS made\nRUN ${command}\nFROM ${base}\nCOPY --from=made /out /out\nRUN ${random} /last\n`;
    const files = { unused: "" };
    const ours = await exported(context(text(`echo ${id} > /out`), files), `${registryTo},mode=max`);
    const after = text(`printf '%s\\n' ${id} > /out`);
    const { name, cached } = imported(context(after, files), `type=registry,ref=${ours}-cache`);
    expect(cached).toEqual(["COPY --from=made /out /out", `RUN ${random} /last`]);
    expect(await diffIdsOf(name)).toEqual(await diffIdsOf(ours));
  });

  it.each<[string, (file: string) => void, boolean]>([
    ["another time", (file) => utimesSync(file, 1, 1), true],
    ["another content", (file) => writeFileSync(file, "4\n"), false],
    ["another mode", (file) => chmodSync(file, 0o600), false],
    ["another name", (file) => renameSync(file, `${file}s`), false],
  ])("is of files that have not changed: %s", async (_, change, isFound) => {
    const id = randomBytes(8).toString("hex");
    const text = `FROM ${base}\nCOPY dir /dir\nRUN ${random} /last && : ${id}\n`;
    const directory = context(text, { "dir/three": "3\n", "dir/id": id });
    const ours = await exported(directory, `${registryTo},mode=max`);
    change(join(directory, "dir/three"));
    const { cached } = imported(directory, `type=registry,ref=${ours}-cache`);
    expect(cached).toEqual(isFound ? instructionsOf(text) : []);
  });
});
