import { describe, expect, it } from "vitest";
import { bytesContent } from "../io/index.ts";
import { attributes, type Entry, treeOf } from "../tree/index.ts";
import { configDifferences, fileDifferences } from "./image-diff.ts";

const signal = new AbortController().signal;
const file = (text: string, more = {}): Entry => ({
  type: "file",
  ...attributes(0o644, more),
  content: bytesContent(text),
});

describe("fileDifferences", () => {
  it("names every path that is not alike, and what differs", async () => {
    const before = treeOf([
      ["/same", file("same")],
      ["/gone", file("12345")],
      ["/content", file("aaaa")],
      ["/mode", file("x")],
      ["/owner", file("x")],
      ["/link", { type: "symlink", ...attributes(0o777), target: "a" }],
      ["/kind", file("x")],
      ["/xattr", file("x", { xattrs: new Map([["user.a", Buffer.from("1")]]) })],
      ["/device", { type: "character", ...attributes(0o666), major: 1, minor: 3 }],
    ]);
    const after = treeOf([
      ["/same", file("same")],
      ["/new/file", file("123")],
      ["/content", file("aaab")],
      ["/mode", { ...file("x"), mode: 0o755 }],
      ["/owner", file("xy", { uid: 1, mtime: 5 })],
      ["/link", { type: "symlink", ...attributes(0o777), target: "b" }],
      ["/kind", { type: "directory", ...attributes(0o755) }],
      ["/xattr", file("x", { xattrs: new Map([["user.a", Buffer.from("2")]]) })],
      ["/device", { type: "character", ...attributes(0o666), major: 1, minor: 5 }],
    ]);
    expect(await fileDifferences(before, after, signal)).toEqual([
      { path: "/content", change: "changed", what: ["content"], before: 4, after: 4 },
      { path: "/device", change: "changed", what: ["device"], before: 0, after: 0 },
      { path: "/gone", change: "removed", what: [], before: 5, after: 0 },
      { path: "/kind", change: "changed", what: ["type"], before: 1, after: 0 },
      { path: "/link", change: "changed", what: ["target"], before: 0, after: 0 },
      { path: "/mode", change: "changed", what: ["mode"], before: 1, after: 1 },
      { path: "/new", change: "added", what: [], before: 0, after: 0 },
      { path: "/new/file", change: "added", what: [], before: 0, after: 3 },
      { path: "/owner", change: "changed", what: ["owner", "mtime", "content"], before: 1, after: 2 },
      { path: "/xattr", change: "changed", what: ["xattrs"], before: 1, after: 1 },
    ]);
    expect(await fileDifferences(before, before, signal)).toEqual([]);
  });

  it("does not read what lies in the same place", async () => {
    const unreadable = (path: string): Entry => ({
      type: "file",
      ...attributes(0o644),
      content: {
        size: 9,
        file: { path, offset: 0 },
        open: () => {
          throw new Error("read");
        },
      },
    });
    const tree = (path: string) => treeOf([["/a", unreadable(path)]]);
    expect(await fileDifferences(tree("/layer"), tree("/layer"), signal)).toEqual([]);
    await expect(fileDifferences(tree("/layer"), tree("/other"), signal)).rejects.toThrow("read");
  });
});

describe("configDifferences", () => {
  it("compares variables and labels one by one", () => {
    const before = { Env: ["A=1", "B=x=y"], Labels: { a: "1", b: "2" }, Cmd: ["x"], User: "1" };
    const after = { Env: ["B=x=z", "A=1"], Labels: { b: "2", c: "3" }, Cmd: ["x"], Entrypoint: ["y"] };
    expect(configDifferences(before, after)).toEqual([
      { key: "Entrypoint", before: null, after: ["y"] },
      { key: "Env.B", before: "x=y", after: "x=z" },
      { key: "Labels.a", before: "1", after: null },
      { key: "Labels.c", before: null, after: "3" },
      { key: "User", before: "1", after: null },
    ]);
    expect(configDifferences(before, before)).toEqual([]);
  });
});
