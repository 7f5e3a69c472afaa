import { describe, expect, it } from "vitest";
import type { Descriptor, LayerRecord } from "../image/index.ts";
import type { BuiltImage } from "../project/index.ts";
import { builtTable } from "./built-table.ts";

function descriptor(size: number): Descriptor {
  return {
    mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
    digest: `sha256:${"a".repeat(64)}`,
    size,
  };
}

function layer(size: number, unpackedSize: number, files: number): LayerRecord {
  return { descriptor: descriptor(size), diffId: `sha256:${"b".repeat(64)}`, unpackedSize, files };
}

function built(base: readonly Descriptor[], layers: readonly LayerRecord[]): BuiltImage {
  const platform = { os: "linux", architecture: "amd64" };
  return {
    name: "web",
    descriptor: descriptor(500),
    platforms: [{ platform, descriptor: descriptor(500), base, layers }],
    referrers: [],
  };
}

describe("the table of what was built", () => {
  it("adds up the layers that were made", () => {
    const [, line] = builtTable([built([], [layer(1000, 3000, 2), layer(500, 1000, 1)])], false).split("\n");
    expect(line?.split(/ {2,}/)).toEqual([
      "web",
      "linux/amd64",
      "1.50 kB",
      "4.00 kB",
      "3",
      "sha256:aaaaaaaaaaaa",
    ]);
  });

  it("counts what comes from a base, and says what lies over it", () => {
    const [, line] = builtTable([built([descriptor(40_000_000)], [layer(1000, 3000, 2)])], false).split("\n");
    expect(line?.split(/ {2,}/)).toEqual([
      "web",
      "linux/amd64",
      "40.0 MB",
      "base + 3.00 kB",
      "base + 2",
      "sha256:aaaaaaaaaaaa",
    ]);
  });
});
