import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeTree, trees } from "../../test/arbitrary-tree.ts";
import { bytesContent } from "../io/index.ts";
import { writeTar } from "../tar/index.ts";
import { apply, attributes, changes, type Entry, Tree, type TreePath, treeOf } from "../tree/index.ts";
import { surplus } from "./keep-upper.ts";
import { isWhiteout, leftInDirectory, leftInTar, overlayLayer } from "./upper.ts";

const file = (text = ""): Entry => ({ ...attributes(0o644), type: "file", content: bytesContent(text) });
const directory = (mode = 0o755): Entry => ({ ...attributes(mode), type: "directory" });

/** Lays one directory of an overlay over a tree, by the rules of overlayfs.rst. */
function laid(lower: Tree, upper: Tree): Tree {
  let tree = lower;
  for (const [path, entry] of upper.entries()) {
    if (isWhiteout(entry)) tree = tree.without(path);
    else if (entry.type !== "directory") tree = tree.without(path).overlay(treeOf([[path, entry]]));
    else {
      const old = tree.get(path);
      const opaque = entry.xattrs?.has("trusted.overlay.opaque") === true;
      if (opaque || old?.type !== "directory") tree = tree.without(path);
      const { xattrs: _, ...rest } = entry;
      tree = tree.overlay(treeOf([[path, opaque ? rest : { ...entry }]]));
    }
  }
  return tree;
}

const paths = (tree: Tree): TreePath[] => [...tree.entries()].map(([path]) => path);

describe("the directory of an overlay that holds changes", () => {
  it("laid over the one tree gives the other", () => {
    fc.assert(
      fc.property(trees, trees, (before, after) => {
        const upper = overlayLayer(changes(before, after), after, "trusted");
        expect(paths(laid(before, upper))).toEqual(paths(after));
        for (const [path, entry] of laid(before, upper).entries()) {
          expect([path, entry.type, entry.mode, entry.uid]).toEqual([
            path,
            after.get(path)?.type,
            after.get(path)?.mode,
            after.get(path)?.uid,
          ]);
        }
      }),
    );
  });

  it("hides what a directory that came back had", () => {
    const before = treeOf([["/d/old", file()]]);
    const change = { added: treeOf([["/d/new", file()]]), removed: ["/d"], opaque: [] };
    const upper = overlayLayer(change, apply(before, change), "user");
    expect(upper.get("/d")?.xattrs?.get("user.overlay.opaque")).toEqual(Buffer.from("y"));
  });

  it("describes the directories above what is gone as they are", () => {
    const before = treeOf([
      ["/a", directory(0o700)],
      ["/a/b", directory(0o710)],
      ["/a/b/c", file()],
    ]);
    const upper = overlayLayer(
      { added: Tree.empty, removed: ["/a/b/c"], opaque: [] },
      before.without("/a/b/c"),
      "user",
    );
    expect(upper.get("/a")?.mode).toBe(0o700);
    expect(upper.get("/a/b")?.mode).toBe(0o710);
  });

  it("gives no orders that an image's files brought", () => {
    const evil = { ...directory(), xattrs: new Map([["trusted.overlay.redirect", Buffer.from("/etc")]]) };
    const after = treeOf([["/d", evil]]);
    const upper = overlayLayer(changes(Tree.empty, after), after, "trusted");
    expect(upper.get("/d")?.xattrs).toBeUndefined();
  });
});

describe("what is left", () => {
  it("is read from a tar as it was put there", async () => {
    await fc.assert(
      fc.asyncProperty(trees, trees, async (before, after) => {
        const change = changes(before, after);
        const upper = overlayLayer(change, after, "trusted");
        const chunks: Uint8Array[] = [];
        for await (const chunk of writeTar(upper.entries())) chunks.push(Uint8Array.from(chunk));
        const left = await leftInTar(bytesContent(Buffer.concat(chunks)), false);
        expect([...left.removed].sort()).toEqual(change.removed.filter((path) => !after.has(path)).sort());
        const unmarked = [...upper.entries()].filter(([, entry]) => !isWhiteout(entry)).map(([path]) => path);
        expect(paths(left.tree)).toEqual(unmarked);
        expect(JSON.stringify(await describeTree(left.tree))).not.toContain("overlay");
      }),
    );
  });

  it("is read from a directory, with its sockets apart", async () => {
    const place = mkdtempSync(join(tmpdir(), "whittle-upper-"));
    const server = createServer();
    try {
      writeFileSync(join(place, "file"), "text");
      execFileSync("mknod", [join(place, "gone"), "c", "0", "0"]);
      server.listen(join(place, "socket"));
      await once(server, "listening");
      const left = await leftInDirectory(place, false);
      expect(paths(left.tree)).toEqual(["/file"]);
      expect(left).toMatchObject({ removed: ["/gone"], sockets: ["/socket"], opaque: [], whole: false });
    } finally {
      server.close();
      rmSync(place, { recursive: true });
    }
  });
});

describe("what a layer does not say", () => {
  it("is named once, at its top", () => {
    const tree = treeOf([
      ["/a", directory()],
      ["/a/kept", file()],
      ["/a/touched", file()],
      ["/a-b", file()],
      ["/mnt", directory()],
      ["/mnt/x", file()],
    ]);
    const left = { tree, whole: false, removed: ["/gone", "/never"], opaque: [], sockets: ["/mnt/s", "/z"] };
    const said = {
      added: treeOf([
        ["/a", directory()],
        ["/a/kept", file()],
      ]),
      removed: ["/gone"],
      opaque: [],
    };
    expect(surplus(left, said)).toEqual(["/a/touched", "/a-b", "/mnt", "/never", "/z"]);
  });
});
