import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeTree, trees } from "../../../test/arbitrary-tree.ts";
import { bytesContent } from "../../io/index.ts";
import type { LeftFiles } from "../../sandbox/index.ts";
import { apply, attributes, changes, type Entry, newInode, Tree, treeOf } from "../../tree/index.ts";
import { changesLeft } from "./left.ts";

const file = (text = "", mtime = 0): Entry => ({
  ...attributes(0o644, { mtime }),
  type: "file",
  content: bytesContent(text),
});
const directory = (mode = 0o755, mtime = 0): Entry => ({ ...attributes(mode, { mtime }), type: "directory" });

const nothing: LeftFiles = { tree: Tree.empty, whole: false, removed: [], opaque: [], sockets: [] };
const left = (parts: Partial<LeftFiles>): LeftFiles => ({ ...nothing, ...parts });
const added = async (...parameters: Parameters<typeof changesLeft>): Promise<Record<string, string>> =>
  describeTree((await changesLeft(...parameters)).added);

const lower = treeOf([
  ["/d", directory()],
  ["/d/file", file("text", 5)],
  ["/d/sub", directory()],
  ["/d/sub/deep", file("deep")],
  ["/etc", directory()],
]);

describe("what a program changed", () => {
  it("is nothing where it touched files without changing them", async () => {
    const tree = treeOf([
      ["/d", directory(0o755, 99)],
      ["/d/file", file("text", 5)],
    ]);
    expect(await changesLeft(left({ tree }), lower, [])).toMatchObject({ removed: [], opaque: [] });
    expect(await added(left({ tree }), lower, [])).toEqual({});
  });

  it.each([
    ["content", file("other", 5)],
    ["time", file("text", 6)],
    ["mode", { ...file("text", 5), mode: 0o600 }],
    ["owner", { ...file("text", 5), uid: 7 }],
    ["capabilities", { ...file("text", 5), xattrs: new Map([["security.capability", Buffer.from("b")]]) }],
    ["type", { ...attributes(0o777), type: "symlink", target: "x" } as Entry],
  ])("is a file whose %s is another, with the directories above it", async (_what, entry) => {
    const tree = treeOf([
      ["/d", directory()],
      ["/d/file", entry],
    ]);
    expect(Object.keys(await added(left({ tree }), lower, []))).toEqual(["/d", "/d/file"]);
  });

  it("does not count attributes that come into no layer", async () => {
    const tree = treeOf([
      ["/d/file", { ...file("text", 5), xattrs: new Map([["user.a", Buffer.from("b")]]) }],
    ]);
    expect(await added(left({ tree }), lower, [])).toEqual({});
  });

  it("counts a file that got another name", async () => {
    const inode = newInode();
    const linked = { ...file("text", 5), inode } as Entry;
    const tree = treeOf([
      ["/d", directory()],
      ["/d/file", linked],
      ["/d/other", linked],
    ]);
    expect(Object.keys(await added(left({ tree }), lower, []))).toContain("/d/other");
  });

  it("names what is gone, and only what was there", async () => {
    const gone = left({ removed: ["/d/file", "/never"] });
    expect((await changesLeft(gone, lower, [])).removed).toEqual(["/d/file"]);
  });

  it("names everything that a directory made anew does not have, however deep", async () => {
    const tree = treeOf([
      ["/d", directory()],
      ["/d/sub", directory()],
      ["/d/sub/new", file("new")],
    ]);
    const change = await changesLeft(left({ tree, opaque: ["/d"] }), lower, []);
    expect(change.removed).toEqual(["/d/file", "/d/sub/deep"]);
    expect(apply(lower, change).has("/d/sub/deep")).toBe(false);
  });

  it("leaves out places that were made to mount something on", async () => {
    const tree = treeOf([
      ["/etc", directory()],
      ["/etc/hosts", file()],
      ["/run", directory()],
      ["/run/secrets", directory()],
      ["/run/secrets/key", file()],
    ]);
    const mounted = ["/etc/hosts", "/run/secrets/key"];
    expect(await added(left({ tree }), lower, mounted)).toEqual({});
  });

  it("keeps such a place when the program put something beside it, or wrote there before", async () => {
    const beside = treeOf([
      ["/run", directory()],
      ["/run/key", file()],
      ["/run/pid", file("1")],
    ]);
    expect(Object.keys(await added(left({ tree: beside }), lower, ["/run/key"]))).toEqual([
      "/run",
      "/run/pid",
    ]);
    const full = treeOf([
      ["/etc", directory()],
      ["/etc/hosts", file("own")],
    ]);
    expect(Object.keys(await added(left({ tree: full }), lower, ["/etc/hosts"]))).toContain("/etc/hosts");
  });

  it("gives files back to their owners where there was one user only", async () => {
    const owned = treeOf([["/mine", { ...file("a"), uid: 33, gid: 34 }]]);
    const tree = treeOf([
      ["/mine", file("b")],
      ["/new", file()],
    ]);
    const change = await changesLeft(left({ tree, onlyOwner: { uid: 8, gid: 9 } }), owned, []);
    expect(change.added.get("/mine")).toMatchObject({ uid: 33, gid: 34 });
    expect(change.added.get("/new")).toMatchObject({ uid: 8, gid: 9 });
  });

  it("leads from one tree to the other, from a whole copy too", async () => {
    await fc.assert(
      fc.asyncProperty(trees, trees, async (before, after) => {
        const change = await changesLeft(left({ tree: after, whole: true }), before, []);
        expect(Object.keys(await describeTree(apply(before, change)))).toEqual(
          Object.keys(await describeTree(apply(before, changes(before, after)))),
        );
      }),
    );
  });
});
