import { describe, expect, it } from "vitest";
import type { Descriptor, LayerRecord } from "../../image/index.ts";
import { sha256 } from "../../io/index.ts";
import { heard, type LayerListener } from "./listener.ts";

const descriptor: Descriptor = { mediaType: "layer", digest: sha256("x"), size: 1 };
const layer: LayerRecord = { descriptor, diffId: sha256("y"), unpackedSize: 1, files: 1 };

function listening(): { listener: LayerListener; told: string[]; comesTo: Promise<Descriptor>[] } {
  const told: string[] = [];
  const comesTo: Promise<Descriptor>[] = [];
  const listener: LayerListener = {
    grows: (file, written) => {
      told.push(`grows ${file}`);
      comesTo.push(written);
    },
    written: ({ digest }) => void told.push(`written ${digest}`),
  };
  return { listener, told, comesTo };
}

describe("what is heard of a layer", () => {
  it("is its file and then what it came to", async () => {
    const { listener, told, comesTo } = listening();
    const written = await heard(listener, async (growing) => {
      growing?.("/a");
      // The thread that wrote it failed, and another one begins anew.
      growing?.("/b");
      return layer;
    });
    expect([written, told]).toEqual([layer, ["grows /a"]]);
    expect(await comesTo[0]).toBe(descriptor);
  });

  it("is the layer, where it has no file", async () => {
    const { listener, told } = listening();
    await heard(listener, async () => layer);
    expect(told).toEqual([`written ${descriptor.digest}`]);
  });

  it("is why it came to nothing", async () => {
    const { listener, told, comesTo } = listening();
    const failing = heard(listener, async (growing) => {
      growing?.("/a");
      throw new Error("no space");
    });
    await expect(failing).rejects.toThrow("no space");
    await expect(comesTo[0]).rejects.toThrow("no space");
    expect(told).toEqual(["grows /a"]);
  });
});
