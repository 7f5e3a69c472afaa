import { describe, expect, it } from "vitest";
import { emptinessOf } from "./emptiness.ts";

describe("emptinessOf", () => {
  it.each([
    [{}, /"a" is empty: name packages:/],
    [{ config: { entrypoint: ["/x"] } }, /is empty/],
    [{ packages: ["busybox"] }, /keeps nothing of its packages: .*roots:.*carve: false/],
    [{ packages: ["busybox"], roots: [], config: { ports: [80] } }, /keeps nothing/],
    [{ packages: ["busybox"], files: [{ content: "x", to: "/x" }] }, /keeps nothing/],
  ])("tells of %j", (recipe, says) => {
    expect(emptinessOf("a", recipe)).toMatch(says);
  });

  it.each([
    { packages: ["busybox"], roots: ["/bin/busybox"] },
    { packages: ["busybox"], keep: ["/usr/**"] },
    { packages: ["busybox"], carve: false },
    { packages: ["busybox"], config: { command: ["/bin/busybox"] } },
    { packages: ["nginx", "busybox"], simulate: "./api" },
    { simulate: "./api" },
    { files: [{ content: "x", to: "/x" }] },
    { dockerfile: "Dockerfile" },
    { from: { bootstrap: "trixie" } },
  ])("has nothing to say of %j", (recipe) => {
    expect(emptinessOf("a", recipe)).toBeUndefined();
  });
});
