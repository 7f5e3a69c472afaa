import { describe, expect, it } from "vitest";
import { bytesContent } from "../../io/index.ts";
import { attributes, type Entry, newInode, treeOf } from "../../tree/index.ts";
import { contentRecords, copiedSelections, mountedSelections, type Selection } from "./selection.ts";

const file = (text: string, mode = 0o644, more: object = {}): Entry => ({
  type: "file",
  content: bytesContent(text),
  ...attributes(mode),
  ...more,
});
const directory = (mode = 0o755): Entry => ({ type: "directory", ...attributes(mode) });
const link = (target: string): Entry => ({ type: "symlink", target, ...attributes(0o777) });

/** A local context that was built with docker 28.5.2. */
const inode = newInode();
const context = treeOf([
  ["/foo", file("hi\n", 0o644, { inode })],
  ["/hard", file("hi\n", 0o644, { inode })],
  ["/fox", file("xx\n")],
  ["/zero", file("")],
  ["/d", directory()],
  ["/d/1", file("1\n", 0o4711)],
  ["/d/e", directory()],
  ["/d/e/22", file("22\n")],
  ["/d/e-1", file("a\n")],
  ["/d/e.x", directory()],
  ["/d/e.x/t", file("t\n")],
  ["/d/hole", directory()],
  ["/d/up", link("../foo")],
  ["/d/broken", link("nowhere")],
  ["/d/pipe", { type: "fifo", ...attributes(0o644) }],
  ["/empty", directory(0o1777)],
  ["/lnk", link("d/e")],
  ["/ld", link("d")],
  ["/w x", directory()],
  ["/w x/ä", file("r\n")],
]);
const at = (path: string, more: Partial<Selection> = {}): Selection => ({ path, followLinks: true, ...more });

// What docker's exported caches have as the record of the context.
describe("the record of what a COPY reads of a context", () => {
  it.each<[string, Selection[], string]>([
    ["foo", [at("/foo")], "f2b80a3038eeef7649364c2d92ff6cf83c5fe95a450f76224b701005e80ce345"],
    ["d", [at("/d")], "667f3693ad41e122964a8e60ac54b3557cf42fdaf01c64f41e4fb4819779468a"],
    ["d/", [at("/d/")], "667f3693ad41e122964a8e60ac54b3557cf42fdaf01c64f41e4fb4819779468a"],
    [
      "f*o",
      [at("/f*o", { wildcard: true })],
      "2796030970d21e20c3ae15e95361dbf2f0c5f9fbe1a59ccc9bdcd0665a8231c5",
    ],
    [
      "f*",
      [at("/f*", { wildcard: true })],
      "185eca3bb70974af31d41a0833287d2df8928ddb96f665cc7b27d23192d1121f",
    ],
    [
      "d/[e1]*",
      [at("/d/[e1]*", { wildcard: true })],
      "3f605e2f3b82766bb67a809cfed91f854791ee1022d2f75d15ba6f174e2f069e",
    ],
    ["lnk", [at("/lnk")], "ff3f9b50cdde1238207f0c2c2fa290cf4055e8e8d6ecbdc7d79b148af4cf6e3d"],
    ["lnk/22", [at("/lnk/22")], "dd7655fb5095fa46d360cf5819a399a5f8507500ec189d7b30ac8c9104e28866"],
    [
      "ld/e*",
      [at("/ld/e*", { wildcard: true })],
      "29577d3a83bf3f32540c3e3bbecd15d9b00a3fe8b4c1d7463508026990a240b1",
    ],
    [
      "foo fox d/e",
      [at("/foo"), at("/fox"), at("/d/e")],
      "d8698ee2d61319912e015262ddd0140007169a89a20e4471085447382ba5e978",
    ],
    ["empty", [at("/empty")], "988895022052866856ebac4fa13ad6b236320a249322a43f5fc896442b1a93d0"],
    [
      "hard zero",
      [at("/hard"), at("/zero")],
      "709f96fcf83afd6d62dfe6b7443079714327de705591b8375322e3a6609906c2",
    ],
    [
      "--exclude=e* d",
      [at("/d", { excludePatterns: ["e*"] })],
      "cf04c9ce7920819eb4679f9c4b11e987cb4420cdccd7d013863323614297ce69",
    ],
    [
      "--exclude=e* foo d",
      [at("/foo", { excludePatterns: ["e*"] }), at("/d", { excludePatterns: ["e*"] })],
      "ce9840e58bbc89d07c1a0e1e31c95eb75ef3fe9e2402531dc1f29dea5a2307fd",
    ],
  ])("is docker's: %s", async (_, selections, expected) => {
    const [record] = await contentRecords(context, copiedSelections(selections), "sent");
    expect(record).toBe(`sha256:${expected}`);
  });
});

it("is one record for plain paths, and one for each way of listing what patterns choose", async () => {
  expect(await contentRecords(context, [at("/d"), at("/foo")])).toHaveLength(1);
  expect(await contentRecords(context, [])).toHaveLength(1);
  const [names, paths, ...others] = await contentRecords(context, [at("/f*", { wildcard: true })], "sent");
  expect(others).toEqual([]);
  expect(paths).not.toBe(names);
});

describe("selections", () => {
  it("of a copy stand once, in order, those with patterns as they are", () => {
    const pattern = at("/b/*", { wildcard: true });
    expect(
      copiedSelections([at("/c"), pattern, at("/a/x"), at("/a"), at("/c"), at("/ab"), { path: "/a" }]),
    ).toEqual([{ path: "/a" }, at("/a"), at("/ab"), pattern, at("/c")]);
  });

  it("of mounts are everything where one of them is", () => {
    expect(mountedSelections(["/a", "/"])).toEqual([]);
    expect(mountedSelections(["/a/b", "/a", "/c"])).toEqual([at("/a"), at("/c")]);
  });
});
