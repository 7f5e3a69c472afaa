import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copyExample, type Finished, temporary, whittle } from "./program.ts";

// A disk that gives back other bytes than were written: of the right length, so that nothing but reading them tells.

let directory = "";
let example = "";
let store = "";
let digest = "";

beforeAll(async () => {
  directory = temporary();
  example = copyExample(join(directory, "api-simulator"));
  store = join(directory, "store");
  digest = (await build()).stdout.trim();
  expect(digest).toMatch(/^sha256:/);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function build(...words: string[]): Promise<Finished> {
  return whittle(store, ["build", example, "--platform", "linux/amd64", "-t", "api:1", ...words]);
}

/** Files of the store, the largest first. */
function files(...place: string[]): string[] {
  const at = join(store, ...place);
  return readdirSync(at)
    .map((name) => join(at, name))
    .sort((a, b) => readFileSync(b).length - readFileSync(a).length);
}

/** Turns one bit over in the middle of a file; answers with what undoes it. */
function flip(path: string): () => void {
  const good = readFileSync(path);
  const bad = Buffer.from(good);
  bad[good.length >> 1]! ^= 4;
  writeFileSync(path, bad);
  return () => writeFileSync(path, good);
}

describe("a flipped bit", () => {
  it("in a layer leaves the store in no form of output", async () => {
    const layer = files("blobs/sha256")[0] ?? "";
    const undo = flip(layer);
    for (const type of ["oci", "docker", "tar", "local"]) {
      const dest = join(directory, `out-${type}`);
      const built = await build("-o", `type=${type},dest=${dest}`);
      expect(built.status, `${type}: ${built.stderr}`).toBe(4);
      expect(built.stderr).toContain("the digest ");
      expect(built.stderr).toContain("whittle store verify --repair");
      expect(built.stdout).toBe("");
      expect(existsSync(dest), type).toBe(false);
    }
    undo();
    expect((await build()).stdout.trim()).toBe(digest);
  });

  it("in any blob is found, taken away, and healed by the next build", async () => {
    const blobs = files("blobs/sha256");
    expect(blobs.length).toBeGreaterThanOrEqual(5);
    for (const blob of blobs) {
      flip(blob);
      const name = `sha256:${blob.slice(-64)}`;
      const found = await whittle(store, ["store", "verify"]);
      expect(found.status).toBe(1);
      expect(found.stdout).toContain(name);
      const repaired = await whittle(store, ["store", "verify", "--repair", "--format", "json"]);
      const { removed, forgotten } = JSON.parse(repaired.stdout) as { removed: string[]; forgotten: number };
      expect(removed).toEqual([blob]);
      expect(forgotten, blob).toBeGreaterThan(0);
      expect(existsSync(blob)).toBe(false);
      const built = await build();
      expect(built.stdout.trim(), built.stderr).toBe(digest);
      const whole = await whittle(store, ["store", "verify"]);
      expect(whole.status, whole.stdout).toBe(0);
    }
  });

  it("in an unpacked layer is found and taken away, and no image suffers", async () => {
    const listed = await whittle(store, ["tree", "api:1"]);
    const [unpacked = ""] = files("cache/layers");
    flip(unpacked);
    expect((await whittle(store, ["store", "verify"])).status).toBe(1);
    const repaired = await whittle(store, ["store", "verify", "--repair"]);
    expect(repaired.status).toBe(0);
    expect(repaired.stdout).toContain("removed 1 damaged files");
    expect((await whittle(store, ["tree", "api:1"])).stdout).toBe(listed.stdout);
    expect((await whittle(store, ["store", "verify"])).status).toBe(0);
  });

  it("in a cached result makes it unknown, and repairing forgets it", async () => {
    const records = readdirSync(join(store, "cache"))
      .filter((name) => /^[0-9a-f]{2}$/.test(name))
      .flatMap((name) => files("cache", name));
    for (const record of records) flip(record);
    const repaired = await whittle(store, ["store", "verify", "--repair", "--format", "json"]);
    expect(JSON.parse(repaired.stdout)).toEqual({ problems: [], removed: [], forgotten: records.length });
    expect((await build()).stdout.trim()).toBe(digest);
  });
});
