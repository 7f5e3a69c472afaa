import { describe, expect, it } from "vitest";
import { nearest } from "./suggest.ts";

describe("nearest", () => {
  it.each([
    ["pakages", ["packages", "platforms"], "packages"],
    ["usres", ["users", "files"], "users"],
    ["ngnix", ["nginx", "nano"], "nginx"],
    ["Files", ["files"], "files"],
    ["zzz", ["files", "users"], undefined],
    ["", ["files"], undefined],
  ])("%s among %j is %s", (word, candidates, expected) => {
    expect(nearest(word, candidates)).toBe(expected);
  });
});
