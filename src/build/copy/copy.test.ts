import { describe, expect, it } from "vitest";
import { bytesContent } from "../../io/index.ts";
import { attributes, type Entry, Tree, treeOf } from "../../tree/index.ts";
import { findOwner } from "./owner.ts";
import { hasWildcards, matchesParents, patternExpression } from "./pattern.ts";
import { findSources } from "./sources.ts";
import { CopyTarget } from "./target.ts";

const file = (content: string, mode = 0o644): Entry => ({
  type: "file",
  content: bytesContent(content),
  ...attributes(mode),
});
const directory = (mode = 0o755): Entry => ({ type: "directory", ...attributes(mode) });
const link = (target: string): Entry => ({ type: "symlink", target, ...attributes(0o777) });

// Expectations of patterns are those of Go's path/filepath, TestMatch.
describe("patternExpression", () => {
  it.each([
    ["abc", "abc", true],
    ["*", "abc", true],
    ["*c", "abc", true],
    ["a*", "ab/c", false],
    ["a*/b", "abc/b", true],
    ["a*/b", "a/c/b", false],
    ["a*b*c*d*e*/f", "axbxcxdxe/f", true],
    ["a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false],
    ["ab[c]", "abc", true],
    ["ab[b-d]", "abc", true],
    ["ab[e-g]", "abc", false],
    ["ab[^c]", "abc", false],
    ["ab[^e-g]", "abc", true],
    ["a\\*b", "a*b", true],
    ["a\\*b", "ab", false],
    ["a?b", "a☺b", true],
    ["a[^a]b", "a☺b", true],
    ["a[^x]b", "a/b", true],
    ["a[z-b]c", "azc", false],
    ["a[^z-b]c", "azc", true],
    ["[a-ζ]*", "α", true],
    ["[\\]a]", "]", true],
    ["[x\\-]", "z", false],
    ["a???b", "a☺b", false],
    ["a?b", "a/b", false],
    ["a*b", "a/b", false],
    ["[\\-x]", "x", true],
    ["[\\-x]", "-", true],
    ["*x", "xxx", true],
  ])("%s on %s: %s", (pattern, name, expected) => {
    expect(patternExpression(pattern)?.test(name) ?? false).toBe(expected);
  });

  it.each(["[", "[^", "a[", "a\\", "[]a]", "[-x]", "[x-]", "[a-b-c]", "[^bc"])("is none: %s", (pattern) => {
    expect(patternExpression(pattern)).toBe(undefined);
  });

  it("knows what is a pattern", () => {
    expect(["a*", "a?", "a[b]", "a\\*", "ab"].map(hasWildcards)).toEqual([true, true, true, false, false]);
  });

  it("takes ** for any number of directories with --parents", () => {
    expect(
      ["a/b.txt", "b.txt", "a/c/b.txt", "a/b.md"].map((path) => matchesParents("**/*.txt", path)),
    ).toEqual([true, true, true, false]);
  });
});

describe("findSources", () => {
  const tree = treeOf([
    ["/a/one.txt", file("1")],
    ["/a/two.txt", file("2")],
    ["/a/b/three.txt", file("3")],
    ["/link", link("a")],
  ]);

  it("follows links of a path and keeps the name", () => {
    expect(findSources(tree, "/link")).toEqual([{ path: "/link", real: "/a" }]);
    expect(findSources(tree, "/link/*.txt").map(({ path }) => path)).toEqual(["/a/one.txt", "/a/two.txt"]);
  });

  it("finds nothing for a pattern without a match, and fails for a missing path", () => {
    expect(findSources(tree, "/a/*.md")).toEqual([]);
    expect(() => findSources(tree, "/missing")).toThrow("Cannot copy /missing: it is not there");
  });
});

describe("CopyTarget", () => {
  const source = treeOf([
    ["/dir", directory(0o700)],
    ["/dir/sub", directory(0o711)],
    ["/dir/sub/f", file("f", 0o600)],
    ["/f", file("f")],
  ]);

  it("puts a directory's contents into a directory of the usual kind", () => {
    const target = new CopyTarget(Tree.empty, { now: 0 });
    target.copy(source, "/dir", "dir", "/to");
    const tree = target.builder.tree();
    expect([...tree.entries()].map(([path, entry]) => [path, entry.mode])).toEqual([
      ["/to", 0o755],
      ["/to/sub", 0o711],
      ["/to/sub/f", 0o600],
    ]);
  });

  it("keeps the attributes of the directory that it copies into", () => {
    const lower = treeOf([["/to", { type: "directory", ...attributes(0o750, { uid: 5, gid: 6 }) }]]);
    const target = new CopyTarget(lower, { now: 0, owner: { uid: 1, gid: 2 } });
    target.copy(source, "/dir", "dir", "/to/");
    expect(target.builder.get("/to")).toMatchObject({ mode: 0o750, uid: 5, gid: 6 });
    expect(target.builder.get("/to/sub/f")).toMatchObject({ uid: 1, gid: 2 });
  });

  it("goes through links of the destination, never out of the tree", () => {
    const lower = treeOf([["/link", link("../../etc")]]);
    const target = new CopyTarget(lower, { now: 0 });
    target.copy(source, "/f", "f", "/link/");
    expect(target.builder.get("/etc/f")).toMatchObject({ type: "file" });
    expect(target.builder.get("/link")).toMatchObject({ type: "symlink" });
  });

  it("refuses to put a directory over a file and a file under one", () => {
    const target = new CopyTarget(treeOf([["/x", file("x")]]), { now: 0 });
    expect(() => target.copy(source, "/dir", "dir", "/x")).toThrow("not a directory");
    expect(() => target.copy(source, "/f", "f", "/x/")).toThrow("not a directory");
  });
});

describe("findOwner", () => {
  const tree = treeOf([
    ["/etc/passwd", file("root:x:0:0::/:\nme:x:7:8::/:\n")],
    ["/etc/group", file("all:x:9:\n")],
  ]);
  it.each([
    ["me", 7, 8],
    ["me:all", 7, 9],
    ["12", 12, 12],
    ["12:3", 12, 3],
    ["nobody-knows", 0, 0],
  ])("%s", async (text, uid, gid) => expect(await findOwner(text, tree)).toEqual({ uid, gid }));
});
