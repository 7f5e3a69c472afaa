import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  createWriteStream,
  ftruncateSync,
  mkdirSync,
  openSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytesContent, fileContent } from "../src/io/index.ts";
import { treeOfTar, writeTar } from "../src/tar/index.ts";
import { attributes, type Entry, newInode, type Tree, treeOf, treeOfDirectory } from "../src/tree/index.ts";
import { describeTree } from "./arbitrary-tree.ts";

// Owners, devices and capabilities are root's to make, so these run as root.

let box: string;
beforeEach(async () => {
  box = await mkdtemp(join(tmpdir(), "whittle-layers-"));
});
afterEach(() => rm(box, { recursive: true, force: true }));

async function tarFile(tree: Tree): Promise<string> {
  const path = join(box, "ours.tar");
  await pipeline(Readable.from(writeTar(tree.entries())), createWriteStream(path));
  return path;
}

const capability = Buffer.from("0100000202040000000000000000000000000000", "hex");

function everything(): Tree {
  const inode = newInode();
  const capable = attributes(0o755, { xattrs: new Map([["security.capability", capability]]) });
  const entry = (more: object): Entry =>
    ({ ...attributes(0o640, { uid: 12, gid: 3_000_000, mtime: 1_600_000_000 }), ...more }) as Entry;
  const shared = entry({ type: "file", content: bytesContent("shared"), inode, mode: 0o4711 });
  return treeOf([
    ["/bin/ping", { ...capable, type: "file", content: bytesContent(randomBytes(3000)) }],
    ["/bin", { ...attributes(0o755), type: "directory" }],
    ["/dev", { ...attributes(0o755), type: "directory" }],
    ["/dev/null", entry({ type: "character", major: 1, minor: 3, mode: 0o666 })],
    ["/dev/sda", entry({ type: "block", major: 8, minor: 0 })],
    ["/dev/pipe", entry({ type: "fifo" })],
    ["/tmp", { ...attributes(0o1777), type: "directory" }],
    ["/tmp/a", shared],
    ["/tmp/b", shared],
    [`/tmp/${"long".repeat(60)}`, entry({ type: "file", content: bytesContent("long") })],
    ["/tmp/ünï", entry({ type: "symlink", target: `../${"far/".repeat(60)}away`, mode: 0o777 })],
  ]);
}

describe("archives and GNU tar as root", () => {
  it("unpacks what is written with owners, devices, hard links and capabilities", async () => {
    const tree = everything();
    const archive = await tarFile(tree);
    const out = join(box, "out");
    mkdirSync(out);
    execFileSync("tar", ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", archive, "-C", out]);
    expect(await describeTree(await treeOfDirectory(out, { xattrs: true }))).toEqual(
      await describeTree(tree),
    );
  });

  it("packs what is read again alike", async () => {
    const tree = everything();
    const out = join(box, "out");
    mkdirSync(out);
    execFileSync("tar", [
      "--xattrs",
      "--xattrs-include=*",
      "--numeric-owner",
      "-xpf",
      await tarFile(tree),
      "-C",
      out,
    ]);
    const theirs = join(box, "theirs.tar");
    execFileSync("tar", [
      "--format=posix",
      "--sort=name",
      "--xattrs",
      "--xattrs-include=*",
      "-cf",
      theirs,
      "-C",
      out,
      ".",
    ]);
    const read = await treeOfTar(fileContent(theirs, statSync(theirs).size));
    const whole = read.map((_path, entry) => ({ ...entry, mtime: Math.floor(entry.mtime) }));
    expect(await describeTree(whole)).toEqual(await describeTree(tree));
  });
});

describe("memory", () => {
  it("stays below 400 MB for a layer of 2 GB", async () => {
    mkdirSync(join(box, "tree"));
    for (let i = 0; i < 4; i++) {
      const file = openSync(join(box, "tree", `f${i}`), "w");
      ftruncateSync(file, 512 * 1024 * 1024);
      for (let at = 0; at < 64; at++) writeSync(file, randomBytes(65536), 0, 65536, at * 8 * 1024 * 1024);
    }
    for (let i = 0; i < 2000; i++) writeFileSync(join(box, "tree", `small${i}`), randomBytes(500));
    const script = `
      import { treeOfDirectory } from "${new URL("../src/tree/index.ts", import.meta.url)}";
      import { writeLayer } from "${new URL("../src/image/index.ts", import.meta.url)}";
      import { quietWork } from "${new URL("../src/io/index.ts", import.meta.url)}";
      const sink = { has: async () => false, async add(s) { let size = 0; for await (const c of s) size += c.length; return { digest: "sha256:0", size }; } };
      const tree = await treeOfDirectory(process.argv[1]);
      for (const type of ["gzip", "zstd"]) await writeLayer(tree, sink, { compression: { type, level: 1 }, work: quietWork });
      console.log(process.resourceUsage().maxRSS / 1024);`;
    const peak = execFileSync(process.execPath, ["--input-type=module", "-e", script, join(box, "tree")], {
      encoding: "utf8",
    });
    expect(Number(peak)).toBeLessThan(400);
  });
});
