import { describe, expect, it } from "vitest";
import { bytesContent } from "../../io/index.ts";
import { attributes, type Entry, type Inode, newInode, treeOf } from "../../tree/index.ts";
import { linkedNames, withLinkedNames } from "./linked.ts";

const file = (inode?: Inode): Entry => ({
  type: "file",
  content: bytesContent("text"),
  ...attributes(0o644),
  ...(inode === undefined ? {} : { inode }),
});

describe("names of one file across layers", () => {
  it("are those of which only some are new", () => {
    const [one, two] = [newInode(), newInode()];
    const upper = treeOf([
      ["/a", file(one)],
      ["/b", file(one)],
      ["/c", file(two)],
      ["/d", file(two)],
      ["/e", file()],
    ]);
    const added = treeOf([
      ["/b", file(one)],
      ["/c", file(two)],
      ["/d", file(two)],
      ["/e", file()],
    ]);
    expect(linkedNames(upper, added)).toEqual([["/a", "/b"]]);
  });

  it("are one file again, without what is gone", () => {
    const tree = treeOf([
      ["/a", file()],
      ["/b", file()],
      ["/c", file()],
    ]);
    const linked = withLinkedNames(tree, [["/a", "/b", "/gone"]]);
    const inodeOf = (path: string): Inode | undefined => {
      const entry = linked.get(path);
      return entry?.type === "file" ? entry.inode : undefined;
    };
    expect(inodeOf("/a")).toBeDefined();
    expect(inodeOf("/a")).toBe(inodeOf("/b"));
    expect(inodeOf("/c")).toBeUndefined();
    expect(linked.has("/gone")).toBe(false);
  });
});
