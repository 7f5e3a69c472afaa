import { describe, expect, it } from "vitest";
import { bytesContent } from "../io/index.ts";
import { attributes, type Entry, newInode, type Tree, treeOf } from "../tree/index.ts";
import { treeDigest } from "./tree-digest.ts";

const file = (text: string, more: object = {}): Entry => ({
  type: "file",
  content: bytesContent(text),
  ...attributes(0o644, more),
});
const base: [string, Entry][] = [
  ["/a", file("x")],
  ["/d/l", { type: "symlink", target: "/a", ...attributes(0o777) }],
  ["/d/n", { type: "character", major: 1, minor: 3, ...attributes(0o666) }],
];
const changed = (path: string, entry: Entry): Tree => treeOf([...base, [path, entry]]);

describe("treeDigest", () => {
  it("does not depend on the order of making or on origins", async () => {
    const origin = { kind: "generated" as const, what: "test" };
    const other = treeOf([...base].reverse().map(([path, entry]) => [path, { ...entry, origin }]));
    expect(await treeDigest(other)).toBe(await treeDigest(treeOf(base)));
  });

  it("depends on everything that ends in a layer", async () => {
    const trees = [
      treeOf(base),
      changed("/a", file("y")),
      changed("/a", file("x", { uid: 1 })),
      changed("/a", file("x", { gid: 1 })),
      changed("/a", file("x", { mtime: 1 })),
      changed("/a", { ...file("x"), mode: 0o755 }),
      changed("/a", file("x", { xattrs: new Map([["user.a", Buffer.from("1")]]) })),
      changed("/b", file("x")),
      changed("/d/l", { type: "symlink", target: "/b", ...attributes(0o777) }),
      changed("/d/n", { type: "character", major: 1, minor: 5, ...attributes(0o666) }),
      changed("/d/n", { type: "block", major: 1, minor: 3, ...attributes(0o666) }),
      changed("/d/n", { type: "fifo", ...attributes(0o666) }),
    ];
    const digests = await Promise.all(trees.map((tree) => treeDigest(tree)));
    expect(new Set(digests).size).toBe(trees.length);
  });

  it("tells hard links from copies", async () => {
    const inode = newInode();
    const linked = treeOf([
      ["/a", { ...file("x"), inode } as Entry],
      ["/b", { ...file("x"), inode } as Entry],
    ]);
    const copied = treeOf([
      ["/a", file("x")],
      ["/b", file("x")],
    ]);
    expect(await treeDigest(linked)).not.toBe(await treeDigest(copied));
  });
});
