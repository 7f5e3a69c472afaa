import { describe, expect, it } from "vitest";
import { attributes, type Entry, treeOf } from "../tree/index.ts";
import { matchPaths } from "./glob.ts";

const file: Entry = { type: "fifo", ...attributes(0o644) };
const tree = treeOf([
  ["/a/one.conf", file],
  ["/a/two.conf", file],
  ["/a/.hidden.conf", file],
  ["/a/b/c/three.conf", file],
  ["/a/x[1]", file],
  ["/link", { type: "symlink", ...attributes(0o777), target: "a" }],
]);

describe("matchPaths", () => {
  it.each([
    ["/a/one.conf", ["/a/one.conf"]],
    ["/a/*.conf", ["/a/one.conf", "/a/two.conf"]],
    ["/a/.*", ["/a/.hidden.conf"]],
    ["/a/t?o.conf", ["/a/two.conf"]],
    ["/a/[a-o]*.conf", ["/a/one.conf"]],
    ["/a/[!a-o]*.conf", ["/a/two.conf"]],
    ["/a/x[[]1]", ["/a/x[1]"]],
    ["/a/[z-a]", []],
    ["/*/b", ["/a/b"]],
    ["/**/*.conf", ["/a/b/c/three.conf", "/a/one.conf", "/a/two.conf"]],
    ["/a/b/**", ["/a/b", "/a/b/c", "/a/b/c/three.conf"]],
    ["/link/*.conf", ["/a/one.conf", "/a/two.conf"]],
    ["/none/*", []],
  ])("matches %s as glob(7) does", (pattern, paths) => {
    expect(matchPaths(tree, pattern)).toEqual(paths);
  });
});
