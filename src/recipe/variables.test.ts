import { describe, expect, it } from "vitest";
import { fillVariables, variablesIn } from "./variables.ts";

describe("variables", () => {
  it("are found by name", () => {
    expect([...variablesIn(["${git.revision} ${name}", "none", "$x ${}"])]).toEqual(["git.revision", "name"]);
  });

  it("are filled in, and a text that speaks of an unknown one is left out", () => {
    const texts = { a: "rev ${git.revision}", b: "tag ${git.tag}", c: "plain $5" };
    expect(fillVariables(texts, { "git.revision": "abc" })).toEqual({ a: "rev abc", c: "plain $5" });
  });
});
