import { describe, expect, it } from "vitest";
import { parseAnnotations } from "./annotations.ts";
import { pairs, repeated } from "./options.ts";
import { parseOutput } from "./output.ts";

describe("parseOutput", () => {
  it.each([
    ["type=store", { type: "store", archive: false }],
    ["type=oci,dest=image", { type: "oci", dest: "image", archive: false }],
    ["type=oci,dest=image.tar", { type: "oci", dest: "image.tar", archive: true }],
    ["type=oci,dest=image.tar,tar=false", { type: "oci", dest: "image.tar", archive: false }],
    ["type=docker,dest=a.tar", { type: "docker", dest: "a.tar", archive: true }],
    ["type=oci,dest=-", { type: "oci", dest: "-", archive: true }],
    ["type=docker", { type: "daemon" }],
    ["type=docker,dest=a,tar=false", { type: "docker", dest: "a", archive: false }],
    ["type=image,name=a:1", { type: "store", names: ["a:1"], push: false }],
    ['type=image,"name=a:1,b:2",push=true', { type: "store", names: ["a:1", "b:2"], push: true }],
    ["type=registry", { type: "store", push: true }],
    ["type=cacheonly", { type: "none" }],
    ["-", { type: "tar", dest: "-" }],
    [
      "type=oci,dest=x,compression=zstd,compression-level=9,force-compression=true,oci-mediatypes=0",
      { form: { compression: { type: "zstd", level: 9 }, force: true, docker: true } },
    ],
    ["type=oci,dest=x,compression=uncompressed", { form: { compression: { type: "none" } } }],
    ["type=oci,dest=x,annotation.a=b,annotation-index.c=d", { form: { annotations: { a: "b" } } }],
    ["type=oci,dest=x,rewrite-timestamp=true", { form: { rewriteTimestamp: true } }],
    ["out", { type: "local", dest: "out", archive: false }],
  ])("reads %s", (text, expected) => {
    expect(parseOutput(text)).toMatchObject(expected);
  });

  it.each([
    ...["type=nothing,dest=x", "type=oci", "dest=x", "type=oci,dest=x,zz=1", "type=local,dest=-"],
    ...["type=tar", "type=oci,dest=-,tar=false", "type=oci,dest=x,tar=maybe", 'type=oci,"dest=x'],
    "type=oci,dest=x,compression=lzma",
  ])("refuses %s", (text) => {
    expect(() => parseOutput(text)).toThrow(/Cannot write to/);
  });
});

describe("parseAnnotations", () => {
  it("tells what each is said of", () => {
    const said = parseAnnotations([
      ...["a=1", "manifest:b=2", "index,manifest:c=3", "manifest[linux/arm64]:d=4"],
      ...["manifest-descriptor:e=5", "org.example/x:y=6"],
    ]);
    expect(said.manifest).toEqual({ a: "1", b: "2", c: "3", "org.example/x:y": "6" });
    expect(said.index).toEqual({ c: "3" });
    expect(said.manifestDescriptor).toEqual({ e: "5" });
    expect([...said.platforms]).toEqual([["linux/arm64", { d: "4" }]]);
  });

  it.each(["=x", "manifst:a=b"])("refuses %s", (text) => {
    expect(() => parseAnnotations([text])).toThrow(/Cannot use --annotation/);
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
