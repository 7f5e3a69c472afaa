import { existsSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { quietWork } from "../io/index.ts";
import { measureMachineCache, tidyMachineCache } from "./machine-cache.ts";
import { temporaryDirectory } from "./temporary.contract.ts";

const day = 24 * 60 * 60;

/** A cache with files of 100 bytes, each used so many days ago. */
function cacheOf(files: Readonly<Record<string, number>>): string {
  const directory = temporaryDirectory();
  const now = Date.now() / 1000;
  for (const [name, days] of Object.entries(files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "x".repeat(100));
    utimesSync(path, now - days * day, now - days * day);
  }
  return directory;
}

const sample = {
  "debian/packages/ab/old.deb": 31,
  "debian/packages/ab/new.deb": 2,
  "debian/packages/ab/broken.deb.part": 3,
  "debian/indexes/old.packages": 40,
  "debian/unpacked/cd/fresh.unpacked": 0,
  "debian/releases/old.json": 400,
  "deflated/1/ef/old": 50,
  "mounts/old/file": 400,
  "snapshots/one/rootfs/bin/sh": 400,
};

const left = (directory: string): string[] =>
  Object.keys(sample).filter((name) => existsSync(join(directory, name)));

describe("tidyMachineCache", () => {
  it("deletes what was of no use for a month, and what nobody will finish", async () => {
    const directory = cacheOf(sample);
    expect(await tidyMachineCache(directory, quietWork, { dryRun: true })).toEqual({ files: 4, bytes: 400 });
    expect(left(directory)).toEqual(Object.keys(sample));
    expect(await tidyMachineCache(directory, quietWork)).toEqual({ files: 4, bytes: 400 });
    expect(left(directory)).toEqual([
      "debian/packages/ab/new.deb",
      "debian/unpacked/cd/fresh.unpacked",
      "debian/releases/old.json",
      "mounts/old/file",
      "snapshots/one/rootfs/bin/sh",
    ]);
    expect(await tidyMachineCache(directory, quietWork)).toEqual({ files: 0, bytes: 0 });
  });

  it("deletes what was of use longest ago where there is too much, but nothing of this hour", async () => {
    const directory = cacheOf(sample);
    expect(
      await tidyMachineCache(directory, quietWork, { keepFor: 1000 * day * 1000, keepBytes: 350 }),
    ).toEqual({
      files: 4,
      bytes: 400,
    });
    expect(left(directory)).not.toContain("deflated/1/ef/old");
    expect(left(directory)).toContain("debian/packages/ab/new.deb");
    await tidyMachineCache(directory, quietWork, { keepBytes: 0, keepFor: 0 });
    expect(left(directory)).toContain("debian/unpacked/cd/fresh.unpacked");
    expect(left(directory)).not.toContain("debian/packages/ab/new.deb");
  });

  it("has nothing to do where there is no cache", async () => {
    expect(await tidyMachineCache(join(temporaryDirectory(), "none"), quietWork)).toEqual({
      files: 0,
      bytes: 0,
    });
  });
});

describe("measureMachineCache", () => {
  it("adds up by kind", async () => {
    const directory = cacheOf({ ...sample, "snapshots/one/size": 0 });
    writeFileSync(join(directory, "snapshots/one/size"), "12345");
    expect(await measureMachineCache(directory)).toEqual([
      { name: "downloaded packages", files: 3, bytes: 300 },
      { name: "package indexes", files: 1, bytes: 100 },
      { name: "unpacked packages", files: 1, bytes: 100 },
      { name: "compressed blocks", files: 1, bytes: 100 },
      { name: "compiled code and notes", files: 0, bytes: 0 },
      { name: "snapshots", files: 1, bytes: 12345 },
    ]);
  });
});
