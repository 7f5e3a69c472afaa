import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeTree, trees } from "../../test/arbitrary-tree.ts";
import { bytesContent, readContent, WhittleError } from "../io/index.ts";
import { attributes, type Entry, newInode, type Tree, treeOf } from "../tree/index.ts";
import {
  type IndexedMember,
  indexTar,
  readTar,
  treeOfMembers,
  treeOfTar,
  writeTar,
  writeTarPieces,
} from "./index.ts";

async function tarOf(tree: Tree): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeTar(tree.entries())) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* inPieces(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

async function streamed(source: AsyncIterable<Uint8Array>): Promise<Tree> {
  const members: IndexedMember[] = [];
  for await (const { body, ...header } of readTar(source)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(Buffer.from(chunk));
    members.push({ ...header, content: bytesContent(Buffer.concat(chunks)) });
  }
  return treeOfMembers(members);
}

const file = (text: string, more: Partial<Entry> = {}): Entry =>
  ({ ...attributes(0o644), type: "file", content: bytesContent(text), ...more }) as Entry;

describe("a tree written and read again", () => {
  it("is the same tree, by index and by stream", async () => {
    await fc.assert(
      fc.asyncProperty(trees, async (tree) => {
        const archive = await tarOf(tree);
        const wanted = await describeTree(tree);
        expect(await describeTree(await treeOfTar(bytesContent(archive)))).toEqual(wanted);
        expect(await describeTree(await streamed(inPieces(archive, 700)))).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });

  it("gives the same bytes again", async () => {
    await fc.assert(
      fc.asyncProperty(trees, async (tree) => {
        const archive = await tarOf(tree);
        expect((await tarOf(await treeOfTar(bytesContent(archive)))).equals(archive)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it("does not depend on the order in which entries are given", async () => {
    await fc.assert(
      fc.asyncProperty(trees, fc.infiniteStream(fc.nat()), async (tree, random) => {
        const shuffled = [...tree.entries()]
          .map((item) => [random.next().value as number, item] as const)
          .sort(([a], [b]) => a - b)
          .map(([, item]) => item);
        const chunks: Uint8Array[] = [];
        for await (const chunk of writeTar(shuffled)) chunks.push(chunk);
        expect(Buffer.concat(chunks).equals(await tarOf(tree))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it("is read alike from one byte at a time", async () => {
    await fc.assert(
      fc.asyncProperty(trees, async (tree) => {
        const archive = await tarOf(tree);
        expect(await describeTree(await streamed(inPieces(archive, 1)))).toEqual(await describeTree(tree));
      }),
      { numRuns: 5 },
    );
  });
});

describe("a damaged archive", () => {
  const small = treeOf([
    ["/etc/passwd", file("root:x:0:0\n")],
    ["/link", { ...attributes(0o777), type: "symlink", target: "etc/passwd" }],
    [
      `/${"long/".repeat(50)}name`,
      file("x".repeat(3000), { xattrs: new Map([["user.a", Buffer.from("b")]]) }),
    ],
  ]);

  it("is refused wherever it ends, except between members", async () => {
    const archive = await tarOf(small);
    const boundaries = new Set([0]);
    for (const member of await indexTar(bytesContent(archive))) {
      boundaries.add(member.offset + Math.ceil(member.stored / 512) * 512);
    }
    for (let end = 0; end < archive.length - 1024; end += 64) {
      const cut = archive.subarray(0, end);
      if (boundaries.has(end)) continue;
      const whole = indexTar(bytesContent(cut)).then(
        () => "read",
        (error: unknown) => (error instanceof WhittleError ? error.code : String(error)),
      );
      const stream = streamed(inPieces(cut, 512)).then(
        () => "read",
        (error: unknown) => (error instanceof WhittleError ? error.code : String(error)),
      );
      // A directory or a PAX header at the end may look complete; nothing may look like a smaller file.
      const answers = [await whole, await stream];
      if (answers.every((answer) => answer === "read")) {
        const members = await indexTar(bytesContent(cut));
        const tree = await describeTree(treeOfMembers(members));
        const all = await describeTree(small);
        for (const [path, line] of Object.entries(tree)) {
          if (line.startsWith("file")) expect(line).toBe(all[path]);
        }
      } else
        expect(
          answers.filter((answer) => answer !== "read").every((answer) => answer === "ARCHIVE_CORRUPT"),
        ).toBe(true);
    }
  });

  it("gives a tree or a WhittleError, never anything else, for any flipped bit", async () => {
    const archive = await tarOf(small);
    await fc.assert(
      fc.asyncProperty(fc.nat(archive.length * 8 - 1), async (bit) => {
        const flipped = Buffer.from(archive);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        await treeOfTar(bytesContent(flipped)).catch((error: unknown) =>
          expect(error).toBeInstanceOf(WhittleError),
        );
        await streamed(inPieces(flipped, 999)).catch((error: unknown) =>
          expect(error).toBeInstanceOf(WhittleError),
        );
      }),
      { numRuns: 400 },
    );
  });

  it("gives a WhittleError for arbitrary bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 3000 }), async (bytes) => {
        await treeOfTar(bytesContent(bytes)).catch((error: unknown) =>
          expect(error).toBeInstanceOf(WhittleError),
        );
      }),
    );
  });
});

describe("writeTar", () => {
  it("makes the first path in order the file and the others links to it", async () => {
    const shared = file("same", { inode: newInode() } as Partial<Entry>);
    const archive = await tarOf(
      treeOf([
        ["/z", shared],
        ["/a/b", shared],
        ["/m", shared],
      ]),
    );
    const members = await indexTar(bytesContent(archive));
    expect(members.map(({ name, type, linkName }) => [name, type, linkName])).toEqual([
      ["a/", "directory", ""],
      ["a/b", "file", ""],
      ["m", "hardlink", "a/b"],
      ["z", "hardlink", "a/b"],
    ]);
  });

  it("refuses content that is not as long as it says", async () => {
    const lying = { size: 10, open: () => inPieces(Buffer.from("short"), 5) };
    const tree = treeOf([["/f", { ...attributes(0o644), type: "file", content: lying }]]);
    await expect(tarOf(tree)).rejects.toMatchObject({ code: "ARCHIVE_CORRUPT" });
    const longer = { ...lying, size: 2 };
    await expect(
      tarOf(treeOf([["/f", { ...attributes(0o644), type: "file", content: longer }]])),
    ).rejects.toMatchObject({
      code: "ARCHIVE_CORRUPT",
    });
  });

  it("writes the top directory only where it is asked for", async () => {
    const chunks: Uint8Array[] = [];
    const top: Entry = { ...attributes(0o700), type: "directory" };
    for await (const chunk of writeTar([], { top })) chunks.push(chunk);
    const tree = await treeOfTar(bytesContent(Buffer.concat(chunks)));
    expect(tree.get("/")?.mode).toBe(0o700);
    expect(await tarOf(tree)).toEqual(Buffer.alloc(1024));
  });
});

describe("writeTarPieces", () => {
  it("writes the same bytes, with long files in pieces of their own", async () => {
    const mebibyte = 1024 * 1024;
    const sizes = fc.oneof(
      fc.integer({ min: 0, max: 2000 }),
      fc.integer({ min: mebibyte - 600, max: mebibyte + 600 }),
      fc.constant(2 * mebibyte),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(sizes, { maxLength: 6 }), async (lengths) => {
        const tree = treeOf(
          lengths.map((size, index) => [`/${index}`, file(String(index).repeat(size).slice(0, size))]),
        );
        const whole: Uint8Array[] = [];
        const inFiles = new Map<Entry, Buffer[]>();
        for await (const { bytes, file: from } of writeTarPieces(tree.entries(), 1000)) {
          whole.push(bytes);
          if (from === undefined) continue;
          const before = inFiles.get(from) ?? [];
          expect(before.every(({ length }) => length === mebibyte)).toBe(true);
          inFiles.set(from, [...before, Buffer.from(bytes)]);
        }
        expect(Buffer.concat(whole).equals(await tarOf(tree))).toBe(true);
        for (const [, entry] of tree.entries()) {
          if (entry.type !== "file") continue;
          const pieces = inFiles.get(entry);
          expect(pieces !== undefined).toBe(entry.content.size >= 1000);
          if (pieces === undefined) continue;
          expect(Buffer.concat(pieces).equals(await readContent(entry.content))).toBe(true);
        }
      }),
      { numRuns: 20 },
    );
  });
});
