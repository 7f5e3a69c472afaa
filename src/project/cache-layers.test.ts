import { describe, expect, it } from "vitest";
import type { Descriptor } from "../image/index.ts";
import { sha256 } from "../io/index.ts";
import { LayerTable, layerDescriptor } from "./cache-layers.ts";
import type { PackedLayer } from "./cache-stacks.ts";

const descriptor = (name: string): Descriptor => ({
  mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
  digest: sha256(name),
  size: name.length,
});
const layer = (name: string): PackedLayer => ({
  descriptor: descriptor(name),
  diffId: sha256(`${name}, unpacked`),
});

describe("the layers of a cache", () => {
  it("stand on one another, each way once", () => {
    const table = new LayerTable();
    const [a, b, c] = ["a", "b", "c"].map(layer) as [PackedLayer, PackedLayer, PackedLayer];
    expect(table.place([])).toBe(undefined);
    expect(table.place([a, b])).toBe(1);
    expect(table.place([a])).toBe(0);
    expect(table.place([a, b, c])).toBe(2);
    expect(table.place([c, b])).toBe(4);
    expect(table.layers).toEqual([
      { blob: a.descriptor.digest, parent: -1 },
      { blob: b.descriptor.digest, parent: 0 },
      { blob: c.descriptor.digest, parent: 1 },
      { blob: c.descriptor.digest, parent: -1 },
      { blob: b.descriptor.digest, parent: 3 },
    ]);
  });

  it("go along once, with what they unpack to, in the order of digests", () => {
    const table = new LayerTable();
    const file = { ...descriptor("file"), mediaType: "application/octet-stream" };
    table.carry(file);
    table.carry(layerDescriptor(descriptor("b"), sha256("b, unpacked")));
    expect(table.place([layer("a"), layer("b")])).toBe(2);
    expect(table.layers.map(({ parent }) => parent)).toEqual([-1, -1, 1]);
    const wanted = [
      file,
      layerDescriptor(descriptor("a"), sha256("a, unpacked")),
      layerDescriptor(descriptor("b"), sha256("b, unpacked")),
    ];
    expect(table.descriptors).toEqual(wanted.sort((a, b) => (a.digest < b.digest ? -1 : 1)));
  });
});
