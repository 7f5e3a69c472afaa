import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { trees } from "../../test/arbitrary-tree.ts";
import { packageOf } from "../../test/debian-packages.ts";
import { bytesContent, digestHex, fileContent, readContent, sha256 } from "../io/index.ts";
import {
  attributes,
  type Inode,
  impliedDirectory,
  newInode,
  Tree,
  treeOf,
  unnamedDirectory,
} from "../tree/index.ts";
import { keepTree, type PackageRecord, recallTree } from "./index.ts";
import { unpackedPath } from "./open-package.ts";

const texts = ["first package: its bytes", "second package"];

/** A cache directory with two unpacked packages. */
function unpacked() {
  const cache = mkdtempSync(join(tmpdir(), "whittle-kept-"));
  onTestFinished(() => rmSync(cache, { recursive: true, force: true }));
  const records = texts.map(
    (text, index): PackageRecord => ({
      ...packageOf({ name: `p${index}` }).record,
      sha256: digestHex(sha256(text)),
    }),
  );
  const paths = records.map((record) => unpackedPath(record, cache));
  for (const [index, path] of paths.entries()) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, texts[index] ?? "");
  }
  const slice = (index: number, start: number, end: number) =>
    fileContent(paths[index] ?? "", end - start, start, sha256((texts[index] ?? "").slice(start, end)));
  return { cache, records, paths, slice };
}

/** Everything that a tree says, inodes as numbers. */
async function told(tree: Tree): Promise<unknown[]> {
  const inodes = new Map<Inode, number>();
  const rows: unknown[] = [tree.top.entry];
  for (const [path, entry] of tree.entries()) {
    if (entry.type !== "file") rows.push([path, entry]);
    else {
      const { content, inode, ...rest } = entry;
      if (inode !== undefined && !inodes.has(inode)) inodes.set(inode, inodes.size);
      const bytes = (await readContent(content)).toString("latin1");
      const { digest, file, size } = content;
      rows.push([path, rest, { bytes, digest, file, size }, inode && inodes.get(inode)]);
    }
  }
  return rows;
}

function sample() {
  const place = unpacked();
  const [first, second] = [packageOf({ name: "p0" }).origin, packageOf({ name: "p1" }).origin];
  const linked = {
    type: "file",
    ...attributes(0o755, { origin: first }),
    content: place.slice(0, 15, 18),
    inode: newInode(),
  } as const;
  const tree = treeOf([
    ["/usr", { type: "directory", ...attributes(0o755, { origin: first, mtime: 5 }) }],
    ["/usr/one", linked],
    ["/usr/two", linked],
    ["/usr/link", { type: "symlink", target: "one", ...attributes(0o777, { origin: second }) }],
    [
      "/opt/b/__proto__",
      { type: "file", ...attributes(0o644, { uid: 7, gid: 8, mtime: 0.5 }), content: place.slice(1, 0, 6) },
    ],
    ["/run/fifo", { type: "fifo", ...attributes(0o600) }],
    [
      "/etc/made",
      {
        type: "file",
        ...attributes(0o644, { origin: { kind: "generated", what: "x" } }),
        content: bytesContent("\xff\0é", sha256("\xff\0é")),
      },
    ],
    ["/etc/unnamed", unnamedDirectory],
  ]);
  return { ...place, tree };
}

const asKept = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("a tree of packages that is kept", () => {
  it("comes back as it was, its contents still slices of the packages", async () => {
    const { cache, records, tree } = sample();
    const kept = asKept(await keepTree(tree, records, cache));
    const back = recallTree(kept, records, cache);
    expect(await told(back ?? Tree.empty)).toEqual(await told(tree));
    // Directories that nobody described are known by being the very same object.
    expect(back?.get("/opt")).toBe(impliedDirectory);
    expect(back?.get("/etc/unnamed")).toBe(unnamedDirectory);
  });

  it("comes back whatever it is, or is not kept", async () => {
    const { cache, records } = unpacked();
    await fc.assert(
      fc.asyncProperty(trees, async (tree) => {
        const form = await keepTree(tree, records, cache);
        const odd = [...tree.entries()].some(
          ([, entry]) => entry.xattrs !== undefined || entry.type === "character" || entry.type === "block",
        );
        expect(form === undefined).toBe(odd);
        if (odd) return;
        expect(await told(recallTree(asKept(form), records, cache) ?? Tree.empty)).toEqual(await told(tree));
      }),
      { numRuns: 60 },
    );
  });

  it("is not kept with files of the machine that are no packages, nor with long texts", async () => {
    const { cache, records, paths } = unpacked();
    const elsewhere = join(cache, "elsewhere");
    writeFileSync(elsewhere, "text");
    const contents = [
      fileContent(elsewhere, 4, 0, sha256("text")),
      fileContent(paths[0] ?? "", 4),
      bytesContent(Buffer.alloc(5 * 1024 * 1024)),
    ];
    for (const content of contents) {
      const tree = treeOf([["/x", { type: "file", ...attributes(0o644), content }]]);
      expect(await keepTree(tree, records, cache)).toBeUndefined();
    }
  });

  it("is nothing for other packages, or when one is not there whole", async () => {
    const { cache, records, paths, tree } = sample();
    const kept = asKept(await keepTree(tree, records, cache));
    expect(recallTree(kept, records.toReversed(), cache)).toBeUndefined();
    expect(recallTree(kept, records.slice(1), cache)).toBeUndefined();
    truncateSync(paths[1] ?? "", 3);
    expect(recallTree(kept, records, cache)).toBeUndefined();
    rmSync(paths[1] ?? "");
    expect(recallTree(kept, records, cache)).toBeUndefined();
    // Nor is anything believed that was kept without it.
    expect(recallTree(asKept(await keepTree(Tree.empty, records, cache)), records, cache)).toBeUndefined();
  });

  it("is nothing when it has another form", async () => {
    const { cache, records, tree } = sample();
    const kept = asKept(await keepTree(tree, records, cache)) as Record<string, unknown>;
    for (const name of Object.keys(kept)) {
      const { [name]: _, ...rest } = kept;
      expect(recallTree(rest, records, cache)).toBeUndefined();
    }
    const rows: unknown[] = [
      ["f", 0, 9, 0, 1, sha256("")],
      ["f", 0, 0, 0, 1, "sha256:5"],
      ["f", 99, 0, 0, 1, sha256("")],
      ["d", -3, []],
      ["d", 0, ["name"]],
      ["x", 0],
      null,
    ];
    for (const row of rows) {
      expect(recallTree({ ...kept, top: ["d", -1, ["x", row]] }, records, cache)).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.jsonValue(), (value) => void expect(recallTree(value, records, cache)).toBeUndefined()),
    );
  });
});
