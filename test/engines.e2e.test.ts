import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Descriptor } from "../src/image/index.ts";
import { openStore, type Store } from "../src/store/index.ts";
import { sampleImage, sampleIndex } from "../src/store/sample-image.contract.ts";
import { engineAnswers, peers, peersDirectory } from "./docker-engine.ts";
import { type Finished, whittle } from "./program.ts";

const up = engineAnswers("nothing is given to docker and containerd here");

describe.runIf(up)("images that engines keep", () => {
  let work: string;
  let directory: string;
  let env: NodeJS.ProcessEnv;
  let store: Store;
  let image: Descriptor;
  let index: Descriptor;

  beforeAll(async () => {
    work = mkdtempSync(join(peersDirectory, "engines-"));
    // The programs run in a root of their own, which sees this directory under the same path.
    const programs = join(work, "bin");
    mkdirSync(programs);
    const containerd = join(peersDirectory, "engine/exec/containerd/containerd.sock");
    const environment = `env CONTAINERD_ADDRESS=${containerd} CONTAINERD_NAMESPACE=whittle-test`;
    for (const [name, words] of [
      ["docker", "docker"],
      ["ctr", `${environment} ctr`],
    ]) {
      writeFileSync(join(programs, name ?? ""), `#!/bin/sh\nexec ${peers} run ${words} "$@"\n`);
      chmodSync(join(programs, name ?? ""), 0o755);
    }
    env = { ...process.env, PATH: `${programs}:${process.env["PATH"]}`, TMPDIR: work };
    directory = join(work, "store");
    store = await openStore(directory, { create: true });
    image = await sampleImage(store);
    index = await sampleIndex(store, "i");
    await store.tag("image:1", image);
    await store.tag("index:1", index);
  });
  afterAll(() => {
    for (const name of ["image", "index"]) {
      ctr("images", "rm", `registry.example/engines/${name}:1`);
      spawnSync(peers, ["run", "docker", "rmi", "--force", `registry.example/engines/${name}:1`]);
    }
    rmSync(work, { recursive: true, force: true });
  });

  const ctr = (...words: string[]): string => spawnSync("ctr", words, { env, encoding: "utf8" }).stdout;
  const copy = async (from: string, to: string): Promise<Finished> => {
    const done = await whittle(directory, ["copy", from, to], { env });
    expect(`${done.status} ${done.stderr}`).toMatch(/^0 /);
    return done;
  };

  it.each(["image", "index"])("containerd takes an %s, and gives it back as it was", async (name) => {
    const there = `containerd:registry.example/engines/${name}:1`;
    const given = await copy(`${name}:1`, there);
    expect(ctr("images", "ls")).toContain(`registry.example/engines/${name}:1`);
    expect((await copy(there, `back-${name}:1`)).stdout).toBe(given.stdout);
    expect((await store.resolve(`back-${name}:1`))?.digest).toBe((name === "image" ? image : index).digest);
  });

  it("docker takes an image, and gives it back with the same files", async () => {
    const there = "docker-daemon:registry.example/engines/image:1";
    await copy("image:1", there);
    await copy(there, "docker:1");
    const files = async (of: string): Promise<string> =>
      (await whittle(directory, ["tree", of, "--format", "json"], { env })).stdout;
    const paths = (text: string): unknown => (JSON.parse(text) as { path: string }[]).map(({ path }) => path);
    expect(paths(await files("docker:1"))).toEqual(paths(await files("image:1")));
  });

  it.each(["containerd:registry.example/engines/none:1", "docker-daemon:registry.example/engines/none:1"])(
    "%s is not there, and says so",
    async (name) => {
      const { status, stderr } = await whittle(directory, ["copy", name, "x:1"], { env });
      expect([status, stderr]).toEqual([
        3,
        expect.stringMatching(/^whittle: Cannot read .*(?:ctr|docker) says/m),
      ]);
    },
  );
});
