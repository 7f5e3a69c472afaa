import { describe, expect, it } from "vitest";
import { pairs, repeated } from "./options.ts";
import { parseOutput } from "./output.ts";

describe("parseOutput", () => {
  it.each([
    ["type=store", { type: "store", archive: false }],
    ["type=oci,dest=image", { type: "oci", dest: "image", archive: false }],
    ["type=oci,dest=image.tar", { type: "oci", dest: "image.tar", archive: true }],
    ["type=oci,dest=image.tar,tar=false", { type: "oci", dest: "image.tar", archive: false }],
    ["type=docker,dest=a.tar", { type: "docker", dest: "a.tar", archive: true }],
    ["out", { type: "local", dest: "out", archive: false }],
  ])("reads %s", (text, expected) => {
    expect(parseOutput(text)).toEqual(expected);
  });

  it.each(["type=nothing,dest=x", "type=oci", "dest=x", "type=oci,dest=x,zz=1"])("refuses %s", (text) => {
    expect(() => parseOutput(text)).toThrow(/Cannot write to/);
  });
});

describe("pairs", () => {
  it("splits at the first equals sign", () => {
    expect(pairs(["a=b=c", "d="], "--label")).toEqual({ a: "b=c", d: "" });
    expect(() => pairs(["=x"], "--label")).toThrow(/NAME=VALUE/);
  });

  it("collects", () => {
    expect(repeated("b", ["a"])).toEqual(["a", "b"]);
  });
});
