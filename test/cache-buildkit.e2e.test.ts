import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildx, EnginePlace, engineAnswers } from "./docker-engine.ts";
import type { DockerfilePlace } from "./dockerfile-place.ts";
import type { RegistryProcess } from "./registry-servers.ts";

const up = engineAnswers("nothing is exchanged with BuildKit here");

describe.runIf(up)("BuildKit's caches and ours", () => {
  const text = "FROM scratch AS below\nCOPY a /a\nFROM below\nCOPY b /b\n";
  let shared: EnginePlace;
  let place: DockerfilePlace;
  let registry: RegistryProcess;
  let work: string;
  let context: string;

  beforeAll(async () => {
    shared = await EnginePlace.make();
    ({ ours: place, registry, directory: work } = shared);
    context = shared.context(text, { a: work, b: work });
  });
  afterAll(() => shared?.remove());

  const build = (...words: string[]): string => buildx("--progress=plain", ...words, context);

  it.each(["", ",image-manifest=false", ",image-manifest=false,oci-mediatypes=false"])(
    "BuildKit imports what we export%s",
    async (attributes) => {
      const directory = mkdtempSync(join(work, "ours-"));
      await place.build([context, "--cache-to", `type=local,dest=${directory},mode=max${attributes}`]);
      const ref = `type=registry,ref=${registry.host}/cache:1`;
      await place.build([context, "--cache-to", `${ref},mode=max${attributes}`]);
      for (const from of [`type=local,src=${directory}`, ref]) {
        const said = build("--cache-from", from);
        expect(said).toMatch(/importing cache manifest from/);
        expect(said).not.toMatch(/ERROR|failed|invalid/i);
      }
    },
  );

  it("BuildKit imports the cache inside an image of ours", async () => {
    const name = `${registry.host}/inline:1`;
    await place.build([context, "--cache-to", "type=inline", "-t", name, "--push"]);
    const said = build("--cache-from", `type=registry,ref=${name}`);
    expect(said).toMatch(/importing cache manifest from/);
    expect(said).not.toMatch(/ERROR|failed|invalid/i);
  });

  it.each(["", ",image-manifest=false", ",image-manifest=false,oci-mediatypes=false"])(
    "we import what BuildKit exports%s",
    async (attributes) => {
      const directory = mkdtempSync(join(work, "theirs-"));
      const ref = `type=registry,ref=${registry.host}/theirs:1`;
      build("--cache-to", `type=local,dest=${directory},mode=max${attributes}`);
      build("--cache-to", `${ref},mode=max${attributes}`);
      for (const from of [`type=local,src=${directory}`, ref]) {
        const { stderr } = await place.build([context, "--cache-from", from]);
        expect(stderr).not.toMatch(/warning/);
      }
    },
  );

  it("we import the cache inside an image of BuildKit's", async () => {
    const name = `${registry.host}/theirs-inline:1`;
    build("--cache-to", "type=inline", "--push", "-t", name);
    const { stderr } = await place.build([context, "--cache-from", name]);
    expect(stderr).not.toMatch(/warning/);
  });

  it("BuildKit says so when a cache is damaged, so its silence means something", async () => {
    const directory = join(work, "bad");
    await place.build([context, "--cache-to", `type=local,dest=${directory}`]);
    const index = join(directory, "index.json");
    writeFileSync(index, readFileSync(index, "utf8").replace(/sha256:[0-9a-f]{8}/, "sha256:00000000"));
    expect(build("--cache-from", `type=local,src=${directory}`)).toMatch(/ERROR|failed/i);
  });
});
