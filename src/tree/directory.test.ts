import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { describeTree, trees } from "../../test/arbitrary-tree.ts";
import { bytesContent, fileContent } from "../io/index.ts";
import { attributes, type Entry, newInode, treeOf, treeOfDirectory, writeTree } from "./index.ts";

const root = process.getuid?.() === 0;
let box: string;
beforeEach(async () => {
  box = await mkdtemp(join(tmpdir(), "whittle-tree-"));
});
afterEach(() => rm(box, { recursive: true, force: true }));

const file = (text: string, mode = 0o644): Entry => ({
  ...attributes(mode),
  type: "file",
  content: bytesContent(text),
});
const link = (target: string): Entry => ({ ...attributes(0o777), type: "symlink", target });

/** A tree as any user can make it on any file system: no owners, devices, xattrs or fractions of seconds. */
async function plain(tree: Awaited<ReturnType<typeof treeOfDirectory>>) {
  return describeTree(
    tree
      .filter((_path, entry) => entry.type !== "character" && entry.type !== "block")
      .map((_path, entry) => {
        const { xattrs: _, ...rest } = entry;
        return { ...rest, uid: 0, gid: 0, mtime: Math.floor(entry.mtime), mode: entry.mode & 0o777 };
      }),
  );
}

describe("a tree made real and read again", () => {
  it("is the same tree as far as any user can make it", async () => {
    let count = 0;
    await fc.assert(
      fc.asyncProperty(trees, async (arbitrary) => {
        const directory = join(box, String(count++));
        // What nobody can read or enter afterwards could not be compared.
        const tree = arbitrary.map((_path, entry) => ({ ...entry, mode: entry.mode | 0o700 }));
        await writeTree(tree, directory, { owner: "self" });
        expect(await plain(await treeOfDirectory(directory))).toEqual(await plain(tree));
      }),
      { numRuns: 60 },
    );
  });

  it.runIf(root)("keeps owners, setuid, capabilities, devices and times as root", async () => {
    const capability = Buffer.from("0100000202040000000000000000000000000000", "hex");
    const inode = newInode();
    const many = {
      ...attributes(0o6755, {
        uid: 12,
        gid: 34,
        mtime: 1e9,
        xattrs: new Map([["security.capability", capability]]),
      }),
    };
    const tree = treeOf([
      ["/d", { ...attributes(0o1777, { uid: 7, mtime: 5 }), type: "directory" }],
      ["/d/f", { ...many, type: "file", content: bytesContent("x"), inode }],
      ["/d/g", { ...many, type: "file", content: bytesContent("x"), inode }],
      ["/d/null", { ...attributes(0o666), type: "character", major: 1, minor: 3 }],
      ["/d/pipe", { ...attributes(0o600), type: "fifo" }],
      ["/l", { ...link("d/f"), uid: 9, mtime: 77 }],
    ]);
    const { skipped } = await writeTree(tree, join(box, "out"), { owner: "keep" });
    expect(skipped).toEqual([]);
    expect(await describeTree(await treeOfDirectory(join(box, "out"), { xattrs: true }))).toEqual(
      await describeTree(tree),
    );
  });
});

describe("writeTree", () => {
  it("replaces links in its way and never writes through them", async () => {
    mkdirSync(join(box, "victim"));
    writeFileSync(join(box, "victim", "f"), "outside");
    mkdirSync(join(box, "out"));
    symlinkSync("../victim", join(box, "out", "d"));
    symlinkSync("../victim/f", join(box, "out", "f"));
    const tree = treeOf([
      ["/d/f", file("in")],
      ["/f", file("in")],
    ]);
    await writeTree(tree, join(box, "out"), { owner: "self" });
    expect(readFileSync(join(box, "victim", "f"), "utf8")).toBe("outside");
    expect(lstatSync(join(box, "out", "d")).isDirectory()).toBe(true);
    expect(readFileSync(join(box, "out", "d", "f"), "utf8")).toBe("in");
    expect(readFileSync(join(box, "out", "f"), "utf8")).toBe("in");
  });

  it("does not follow the links it makes, whatever they lead to", async () => {
    writeFileSync(join(box, "passwd"), "outside");
    const tree = treeOf([
      ["/abs", link(join(box, "passwd"))],
      ["/up", link("../passwd")],
      ["/loop", link("loop")],
    ]);
    await writeTree(tree, join(box, "out"), { owner: "self" });
    expect(readlinkSync(join(box, "out", "abs"))).toBe(join(box, "passwd"));
    expect(readFileSync(join(box, "passwd"), "utf8")).toBe("outside");
    expect(statSync(join(box, "passwd")).mtimeMs).toBeGreaterThan(0);
  });

  it("merges into directories and leaves what the tree does not have", async () => {
    await writeTree(treeOf([["/d/old", file("old")]]), box, { owner: "self" });
    await writeTree(treeOf([["/d/new", file("new")]]), box, { owner: "self" });
    expect(readFileSync(join(box, "d", "old"), "utf8")).toBe("old");
    expect(readFileSync(join(box, "d", "new"), "utf8")).toBe("new");
  });

  it("skips devices where owners are not kept", async () => {
    const tree = treeOf([["/null", { ...attributes(0o666), type: "character", major: 1, minor: 3 }]]);
    expect(await writeTree(tree, join(box, "out"), { owner: "self" })).toEqual({ skipped: ["/null"] });
    expect(existsSync(join(box, "out", "null"))).toBe(false);
  });

  it("fills directories that end up read-only", async () => {
    const tree = treeOf([
      ["/ro", { ...attributes(0o555), type: "directory" }],
      ["/ro/f", file("x", 0o400)],
    ]);
    await writeTree(tree, join(box, "out"), { owner: "self" });
    expect(lstatSync(join(box, "out", "ro")).mode & 0o777).toBe(0o555);
  });

  it("refuses content that became shorter", async () => {
    writeFileSync(join(box, "source"), "short");
    const tree = treeOf([
      ["/f", { ...attributes(0o644), type: "file", content: fileContent(join(box, "source"), 100) }],
    ]);
    await expect(writeTree(tree, join(box, "out"), { owner: "self" })).rejects.toMatchObject({
      code: "ARCHIVE_CORRUPT",
    });
  });

  it("stops when it is told to", async () => {
    const tree = treeOf([["/f", file("x")]]);
    await expect(
      writeTree(tree, join(box, "out"), { owner: "self", signal: AbortSignal.abort() }),
    ).rejects.toThrow();
  });
});

describe("treeOfDirectory", () => {
  it("takes links as links and reads nothing outside", async () => {
    mkdirSync(join(box, "in"));
    mkdirSync(join(box, "out"));
    writeFileSync(join(box, "out", "secret"), "s");
    symlinkSync("../out", join(box, "in", "link"));
    const tree = await treeOfDirectory(join(box, "in"));
    expect([...tree.entries()].map(([path, entry]) => [path, entry.type])).toEqual([["/link", "symlink"]]);
  });

  it("leaves out what is to be ignored, without looking into it", async () => {
    execFileSync("sh", ["-c", "mkdir -p a/node_modules/x b; echo 1 > a/f; echo 1 > b/g"], { cwd: box });
    const asked: string[] = [];
    const tree = await treeOfDirectory(box, {
      ignore: (path) => {
        asked.push(path);
        return path.endsWith("node_modules");
      },
    });
    expect([...tree.entries()].map(([path]) => path)).toEqual(["/a", "/a/f", "/b", "/b/g"]);
    expect(asked).not.toContain("/a/node_modules/x");
  });

  it("keeps names that are not UTF-8", async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${box}/`), Buffer.of(0x66, 0xff, 0xfe)]), "bytes");
    const tree = await treeOfDirectory(box);
    expect((await describeTree(tree))["/f\udcff\udcfe"]).toContain(Buffer.from("bytes").toString("hex"));
  });

  it("says what is wrong where there is nothing, or no directory", async () => {
    writeFileSync(join(box, "f"), "");
    await expect(treeOfDirectory(join(box, "gone"))).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(treeOfDirectory(join(box, "f"))).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
