import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DockerfilePlace } from "./dockerfile-place.ts";
import { type RegistryProcess, whittleServe } from "./registry-servers.ts";

const root = join(import.meta.dirname, "..");
const peers = join(root, "../shared/tools/peers");
const up = existsSync(peers) && spawnSync(peers, ["run", "docker", "version"]).status === 0;
if (!up) console.warn(`no docker engine of ${peers} answers: nothing is exchanged with BuildKit here`);

describe.runIf(up)("BuildKit's caches and ours", () => {
  const shared = join(process.env["PEERS_DIR"] ?? join(homedir(), ".cache/whittle-peers"), "work");
  const text = "FROM scratch AS below\nCOPY a /a\nFROM below\nCOPY b /b\n";
  let work: string;
  let context: string;
  let place: DockerfilePlace;
  let registry: RegistryProcess;

  beforeAll(async () => {
    mkdirSync(shared, { recursive: true });
    work = mkdtempSync(join(shared, "caches-"));
    context = join(work, "context");
    mkdirSync(context);
    writeFileSync(join(context, "Dockerfile"), text);
    for (const name of ["a", "b"]) writeFileSync(join(context, name), work);
    place = await DockerfilePlace.make();
    registry = await whittleServe(join(place.directory, "served"));
  });
  afterAll(async () => {
    await registry?.stop();
    place?.remove();
    rmSync(work, { recursive: true, force: true });
  });

  /** What BuildKit prints of a build; it fails the test where BuildKit fails. */
  function buildx(...words: string[]): string {
    const all = [
      "run",
      "docker",
      "buildx",
      "build",
      "--progress=plain",
      "--provenance=false",
      ...words,
      context,
    ];
    const { status, stdout, stderr } = spawnSync(peers, all, { encoding: "utf8" });
    if (status !== 0) throw new Error(`docker buildx: ${stdout}${stderr}`);
    return stderr;
  }

  it.each(["", ",image-manifest=false", ",image-manifest=false,oci-mediatypes=false"])(
    "BuildKit imports what we export%s",
    async (attributes) => {
      const directory = mkdtempSync(join(work, "ours-"));
      await place.build([context, "--cache-to", `type=local,dest=${directory},mode=max${attributes}`]);
      const ref = `type=registry,ref=${registry.host}/cache:1`;
      await place.build([context, "--cache-to", `${ref},mode=max${attributes}`]);
      for (const from of [`type=local,src=${directory}`, ref]) {
        const said = buildx("--cache-from", from);
        expect(said).toMatch(/importing cache manifest from/);
        expect(said).not.toMatch(/ERROR|failed|invalid/i);
      }
    },
  );

  it("BuildKit imports the cache inside an image of ours", async () => {
    const name = `${registry.host}/inline:1`;
    await place.build([context, "--cache-to", "type=inline", "-t", name, "--push"]);
    const said = buildx("--cache-from", `type=registry,ref=${name}`);
    expect(said).toMatch(/importing cache manifest from/);
    expect(said).not.toMatch(/ERROR|failed|invalid/i);
  });

  it.each(["", ",image-manifest=false", ",image-manifest=false,oci-mediatypes=false"])(
    "we import what BuildKit exports%s",
    async (attributes) => {
      const directory = mkdtempSync(join(work, "theirs-"));
      const ref = `type=registry,ref=${registry.host}/theirs:1`;
      buildx("--cache-to", `type=local,dest=${directory},mode=max${attributes}`);
      buildx("--cache-to", `${ref},mode=max${attributes}`);
      for (const from of [`type=local,src=${directory}`, ref]) {
        const { stderr } = await place.build([context, "--cache-from", from]);
        expect(stderr).not.toMatch(/warning/);
      }
    },
  );

  it("we import the cache inside an image of BuildKit's", async () => {
    const name = `${registry.host}/theirs-inline:1`;
    buildx("--cache-to", "type=inline", "--push", "-t", name);
    const { stderr } = await place.build([context, "--cache-from", name]);
    expect(stderr).not.toMatch(/warning/);
  });

  it("BuildKit says so when a cache is damaged, so its silence means something", async () => {
    const directory = join(work, "bad");
    await place.build([context, "--cache-to", `type=local,dest=${directory}`]);
    const index = join(directory, "index.json");
    writeFileSync(index, readFileSync(index, "utf8").replace(/sha256:[0-9a-f]{8}/, "sha256:00000000"));
    expect(buildx("--cache-from", `type=local,src=${directory}`)).toMatch(/ERROR|failed/i);
  });
});
