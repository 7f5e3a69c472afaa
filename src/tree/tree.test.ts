import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeTree, paths, trees } from "../../test/arbitrary-tree.ts";
import { bytesContent } from "../io/index.ts";
import {
  apply,
  attributes,
  changes,
  comparePaths,
  type Entry,
  isWithin,
  Tree,
  TreeBuilder,
  type TreePath,
  treeOf,
} from "./index.ts";

const file = (text = ""): Entry => ({ ...attributes(0o644), type: "file", content: bytesContent(text) });
const link = (target: string): Entry => ({ ...attributes(0o777), type: "symlink", target });
const directory = (mode = 0o755): Entry => ({ ...attributes(mode), type: "directory" });
const list = (tree: Tree): TreePath[] => [...tree.entries()].map(([path]) => path);

describe("a tree", () => {
  it("lists its entries in byte order of their parts, each below its directory", () => {
    fc.assert(
      fc.property(trees, (tree) => {
        const all = list(tree);
        expect(all).toHaveLength(tree.size);
        expect([...all].sort(comparePaths)).toEqual(all);
        for (const [path, entry] of tree.entries()) {
          expect(tree.get(path)).toBe(entry);
          expect([...tree.entries(path)].map(([below]) => below)).toEqual(
            all.filter((other) => isWithin(other, path)),
          );
        }
      }),
    );
  });

  it("has /a/b right after /a, before /a-b", () => {
    expect(
      list(
        treeOf([
          ["/a-b", file()],
          ["/a/b", file()],
          ["/a.b", file()],
        ]),
      ),
    ).toEqual(["/a", "/a/b", "/a-b", "/a.b"]);
  });

  it("laid over another is what building both in turn gives", async () => {
    await fc.assert(
      fc.asyncProperty(trees, trees, async (lower, upper) => {
        const before = await describeTree(lower);
        const over = lower.overlay(upper);
        const built = treeOf([...lower.entries(), ...upper.entries()]);
        expect(await describeTree(over)).toEqual(await describeTree(built));
        expect(await describeTree(lower)).toEqual(before);
      }),
    );
  });

  it("filtered keeps what is asked for and the directories above", () => {
    fc.assert(
      fc.property(trees, fc.func(fc.boolean()), (tree, keep) => {
        const wanted = list(tree).filter((path) => keep(path));
        const expected = list(tree).filter((path) => wanted.some((kept) => isWithin(kept, path)));
        expect(list(tree.filter((path) => keep(path)))).toEqual(expected);
      }),
    );
  });

  it("placed at a directory is found there, with what was there before beside it", async () => {
    await fc.assert(
      fc.asyncProperty(trees, trees, paths, async (tree, inner, at) => {
        const placed = tree.place(inner, at);
        const built = new TreeBuilder(undefined, tree);
        if (built.get(at)?.type !== "directory") built.set(at, directory());
        for (const [path, entry] of inner.entries()) built.set(at + path, entry);
        const [ours, wanted] = [await describeTree(placed), await describeTree(built.tree())];
        delete ours[at];
        delete wanted[at];
        expect(ours).toEqual(wanted);
        expect(placed.get(at)?.type).toBe("directory");
      }),
    );
  });

  it("without a path has nothing at it or below it, and all else", () => {
    fc.assert(
      fc.property(trees, paths, (tree, path) => {
        expect(list(tree.without(path))).toEqual(list(tree).filter((other) => !isWithin(other, path)));
      }),
    );
  });

  it("mapped to itself is the same object inside", () => {
    fc.assert(fc.property(trees, (tree) => tree.map((_path, entry) => entry).top === tree.top));
  });
});

describe("changes", () => {
  it("applied to the lower tree give the upper one", async () => {
    await fc.assert(
      fc.asyncProperty(trees, trees, async (lower, upper) => {
        expect(await describeTree(apply(lower, changes(lower, upper)))).toEqual(await describeTree(upper));
      }),
      { numRuns: 300 },
    );
  });

  it("of a tree to itself, or to one built alike, are none", () => {
    fc.assert(
      fc.property(trees, (tree) => {
        for (const same of [tree, treeOf(tree.entries())]) {
          const { added, removed, opaque } = changes(tree, same);
          expect([added.size, removed, opaque]).toEqual([0, [], []]);
        }
      }),
    );
  });

  it("list a directory that is gone, not what was in it, and the directories above what is new", () => {
    const lower = treeOf([
      ["/a/b/c", file()],
      ["/keep/x", file()],
      ["/keep/y", file()],
    ]);
    const upper = treeOf([
      ["/keep/x", lower.get("/keep/x") ?? file()],
      ["/keep/z", file("z")],
    ]);
    const { added, removed } = changes(lower, upper);
    expect([list(added), removed]).toEqual([
      ["/keep", "/keep/z"],
      ["/a", "/keep/y"],
    ]);
  });

  it("hide what an opaque directory had", () => {
    const lower = treeOf([
      ["/d/old", file()],
      ["/e", file()],
    ]);
    const tree = apply(lower, { added: treeOf([["/d/new", file()]]), removed: [], opaque: ["/d"] });
    expect(list(tree)).toEqual(["/d", "/d/new", "/e"]);
  });
});

describe("TreeBuilder", () => {
  it("leaves the tree it started from, and those it handed over, as they were", async () => {
    await fc.assert(
      fc.asyncProperty(trees, trees, paths, async (from, more, gone) => {
        const start = await describeTree(from);
        const builder = new TreeBuilder(undefined, from);
        for (const [path, entry] of more.entries()) builder.set(path, entry);
        const first = builder.tree();
        const handed = await describeTree(first);
        builder.delete(gone);
        for (const [path] of more.entries()) builder.set(path, file("changed"));
        builder.set("/", directory(0o700));
        expect(await describeTree(first)).toEqual(handed);
        expect(first.top.entry).toBe(from.top.entry);
        expect(await describeTree(from)).toEqual(start);
      }),
    );
  });

  it("keeps a directory's contents under new attributes, and drops them under anything else", () => {
    const builder = new TreeBuilder().set("/d/f", file()).set("/d", directory(0o700));
    expect([builder.get("/d")?.mode, builder.names("/d")]).toEqual([0o700, ["f"]]);
    builder.set("/d", file()).set("/d/g", file());
    expect(list(builder.tree())).toEqual(["/d", "/d/g"]);
    builder.delete("/d");
    builder.set("/d/h", file());
    expect(list(builder.tree())).toEqual(["/d", "/d/h"]);
    builder.delete("/");
    builder.delete("/nothing/there");
    expect(builder.tree().size).toBe(0);
  });
});

describe("resolve", () => {
  const tree = treeOf([
    ["/bin", link("usr/bin")],
    ["/usr/bin/sh", link("dash")],
    ["/usr/bin/dash", file()],
    ["/usr/bin/up", link("../../../../../etc/passwd")],
    ["/etc/passwd", file()],
    ["/abs", link("/bin/sh")],
    ["/loop", link("loop")],
    ["/ping", link("pong")],
    ["/pong", link("ping")],
    ["/dangling", link("no/where")],
    ["/dot", link(".")],
  ]);

  it.each<[string, TreePath, string | undefined, TreePath[]]>([
    ["/bin/sh", "/usr/bin/dash", "file", ["/bin", "/usr/bin/sh"]],
    ["/abs", "/usr/bin/dash", "file", ["/abs", "/bin", "/usr/bin/sh"]],
    ["bin/../etc/passwd", "/usr/etc/passwd", undefined, ["/bin"]],
    ["/usr/bin/up", "/etc/passwd", "file", ["/usr/bin/up"]],
    ["/../../etc/./passwd", "/etc/passwd", "file", []],
    ["/dangling", "/no/where", undefined, ["/dangling"]],
    ["/dot/dot/dot/etc", "/etc", "directory", ["/dot", "/dot", "/dot"]],
    ["/etc/passwd/below", "/etc/passwd/below", undefined, []],
    ["/", "/", "directory", []],
    ["", "/", "directory", []],
  ])("follows %j to %j", (path, wanted, type, links) => {
    const found = tree.resolve(path);
    expect([found.path, found.entry?.type, found.links]).toEqual([wanted, type, links]);
  });

  it("keeps a link at the end when asked to, unless a slash follows it", () => {
    expect(tree.resolve("/bin/sh", { last: "keep" }).path).toBe("/usr/bin/sh");
    expect(tree.resolve("/bin", { last: "keep" }).entry?.type).toBe("symlink");
    expect(tree.resolve("/bin/", { last: "keep" }).path).toBe("/usr/bin");
  });

  it("starts where it is told to", () => {
    expect(tree.resolve("dash", { from: "/usr/bin" }).entry?.type).toBe("file");
    expect(tree.resolve("../bin/dash", { from: "/usr/bin" }).entry?.type).toBe("file");
    expect(tree.resolve("x", { from: "/not/there" })).toEqual({ path: "/not/there/x", links: [] });
  });

  it("gives up on links in a circle", () => {
    for (const path of ["/loop", "/ping", "/loop/x"]) expect(tree.resolve(path).entry).toBeUndefined();
  });

  it("stops where a directory to be left is not there, or enters it when asked to", () => {
    expect(tree.resolve("/no/../etc/passwd").entry).toBeUndefined();
    expect(tree.resolve("/no/../etc/passwd", { missing: "enter" }).entry?.type).toBe("file");
    expect(tree.resolve("/no/../../..", { missing: "enter" }).path).toBe("/");
  });

  it("never leaves the tree and always ends, whatever the links", () => {
    const text = fc
      .array(fc.constantFrom("..", ".", "", "a", "b", "c", "/"), { maxLength: 6 })
      .map((parts) => parts.join("/"));
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom("/a", "/b", "/c", "/a/b", "/b/c"), text),
        text,
        (links, path) => {
          const wild = treeOf(Object.entries(links).map(([at, target]) => [at, link(target)] as const));
          const found = wild.resolve(path);
          expect(found.path.split("/")).not.toContain("..");
          if (found.entry !== undefined) expect(wild.get(found.path)).toBe(found.entry);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("is empty in the empty tree", () => {
    expect(Tree.empty.resolve("/a/b")).toEqual({ path: "/a/b", links: [] });
  });
});
