import { describe, expect, it } from "vitest";
import { scratchStep } from "./base.ts";
import { layerStep, wantedLayer } from "./layer.ts";

const gzip = layerStep(scratchStep, "the image", { type: "gzip" });
const zstd = layerStep(scratchStep, "the image", { type: "zstd", level: 9 });

describe("wantedLayer", () => {
  it("is the first that wants the changes just as they are", () => {
    const early = layerStep(scratchStep, "the image", { type: "gzip" }, undefined, { newest: 5 });
    expect(wantedLayer([early, zstd, gzip])).toEqual({
      compression: { type: "zstd", level: 9 },
      parameters: zstd.parameters,
    });
    expect(wantedLayer([early])).toBeUndefined();
    expect(wantedLayer([])).toBeUndefined();
  });

  it("is none where another step would have to wait for it", () => {
    expect(wantedLayer([gzip, { ...gzip, kind: "copy" }])).toBeUndefined();
  });
});
