import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { type DeflatedBlocks, deflatedBlocks, type GzipPiece, gzip, gzipPieces, sha256 } from "./index.ts";

const mebibyte = 1024 * 1024;
const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "whittle-gzip-"));
  directories.push(directory);
  return directory;
}

/** Text that compresses, of which every seed has its own. */
function text(size: number, seed: number): Buffer {
  const lines = Array.from({ length: Math.ceil(size / 7) }, (_, i) => `${(i * 7919 + seed) % 9973} line\n`);
  return Buffer.from(lines.join("")).subarray(0, size);
}

interface Part {
  readonly bytes: Buffer;
  readonly isFile: boolean;
  readonly lasting?: boolean;
}

async function* pieces(parts: readonly Part[]): AsyncGenerator<GzipPiece> {
  for (const { bytes, isFile, lasting = false } of parts) {
    const file = isFile ? { size: bytes.length, digest: sha256(bytes) } : undefined;
    for (let at = 0; at < bytes.length; at += mebibyte) {
      yield { bytes: bytes.subarray(at, at + mebibyte), lasting, ...(file === undefined ? {} : { file }) };
    }
  }
}

async function all(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function packed(parts: readonly Part[], remembered?: DeflatedBlocks, level?: number): Promise<Buffer> {
  return all(
    gzipPieces(pieces(parts), {
      ...(remembered === undefined ? {} : { remembered }),
      ...(level === undefined ? {} : { level }),
    }),
  );
}

function entries(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

const sample: readonly Part[] = [
  { bytes: text(700, 1), isFile: false },
  { bytes: text(2.5 * mebibyte, 2), isFile: true },
  { bytes: text(1200, 3), isFile: false },
  { bytes: text(40_000, 4), isFile: true },
  { bytes: text(mebibyte, 5), isFile: true },
  { bytes: text(10, 6), isFile: false },
];
const plain = Buffer.concat(sample.map(({ bytes }) => bytes));

describe("gzipPieces", () => {
  it("makes one gzip member that zlib and GNU gzip read", async () => {
    const bytes = await packed(sample);
    expect(gunzipSync(bytes).equals(plain)).toBe(true);
    const output = execFileSync("gzip", ["-dc"], { input: bytes, maxBuffer: 64 * mebibyte });
    expect(output.equals(plain)).toBe(true);
  });

  it("makes of a stream without files what gzip makes of it", async () => {
    const parts = [{ bytes: text(3.2 * mebibyte, 7), isFile: false }];
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield* parts.map(({ bytes }) => bytes);
    };
    expect((await packed(parts)).equals(await all(gzip(source())))).toBe(true);
    expect(gunzipSync(await packed([])).length).toBe(0);
  });

  it("makes the same bytes with and without remembered files, whatever of them is known", async () => {
    const part = fc.record({
      bytes: fc
        .tuple(
          fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: mebibyte - 9, max: mebibyte + 9 })),
          fc.nat(3),
        )
        .map(([size, seed]) => text(size, seed)),
      isFile: fc.boolean(),
      lasting: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 6 }),
        fc.array(part, { maxLength: 3 }),
        fc.constantFrom(1, 5, 9),
        async (parts, others, level) => {
          const memory = deflatedBlocks(newDirectory());
          const wanted = await packed(
            parts.map((one) => ({ ...one, lasting: false })),
            undefined,
            level,
          );
          await packed([...others, ...parts.slice(0, 2)], memory, level);
          expect((await packed(parts, memory, level)).equals(wanted)).toBe(true);
          expect((await packed(parts, memory, level)).equals(wanted)).toBe(true);
          expect(gunzipSync(wanted).equals(Buffer.concat(parts.map(({ bytes }) => bytes)))).toBe(true);
        },
      ),
      { numRuns: 25 },
    );
  }, 60_000);
});

describe("deflatedBlocks", () => {
  it("gives back what it was given, apart by level", async () => {
    const memory = deflatedBlocks(newDirectory());
    const key = { digest: sha256("a file"), level: 5 };
    const blocks = [
      { checksum: 7, bytes: Buffer.from("one") },
      { checksum: 2 ** 32 - 1, bytes: Buffer.from("") },
    ];
    expect(memory.get(key)).toBeUndefined();
    await memory.set(key, blocks);
    expect(memory.get(key)).toEqual({ blocks });
    expect(memory.get({ ...key, level: 6 })).toBeUndefined();
  });

  it("is used, and not written again, when a file is known", async () => {
    const real = deflatedBlocks(newDirectory());
    await packed(sample, real);
    const written: unknown[] = [];
    const memory: DeflatedBlocks = { get: real.get, set: async (key) => void written.push(key) };
    const marked: DeflatedBlocks = {
      ...memory,
      get(key) {
        const known = real.get(key)?.blocks;
        return known && { blocks: known.map((block) => ({ ...block, bytes: Buffer.from("instead") })) };
      },
    };
    expect((await packed(sample, marked)).includes("instead")).toBe(true);
    expect(written).toEqual([]);
  });

  it("keeps of a file what is right of it, though others are read into the same memory meanwhile", async () => {
    const real = deflatedBlocks(newDirectory());
    const files = [text(2.5 * mebibyte, 1), text(2.5 * mebibyte, 2)].map((bytes) => ({
      bytes,
      isFile: true,
    }));
    const wanted = await packed(files, real);
    const keys = files.map(({ bytes }) => ({ digest: sha256(bytes), level: 5 }));
    const blocksOf = (at: number) => real.get(keys[at]!)?.blocks.map(({ bytes }) => sha256(bytes));
    const before = [blocksOf(0), blocksOf(1)];
    const doubted: DeflatedBlocks = {
      ...real,
      get(key) {
        const known = real.get(key);
        const blocks = known?.blocks.map((block, at) => (at === 1 ? { ...block, checksum: 0 } : block));
        return known && { ...known, blocks: blocks ?? [] };
      },
    };
    for (let round = 0; round < 3; round++) {
      expect((await packed([...files, ...files], doubted)).equals(await packed([...files, ...files]))).toBe(
        true,
      );
      expect([blocksOf(0), blocksOf(1)]).toEqual(before);
    }
    expect((await packed(files, real)).equals(wanted)).toBe(true);
  });

  it("is used for lasting bytes between files, where they depend on nothing before them", async () => {
    const lasting = [
      { bytes: text(700, 1), isFile: false, lasting: true },
      { bytes: text(40_000, 2), isFile: true },
      { bytes: text(mebibyte + 1200, 3), isFile: false, lasting: true },
    ];
    const asked: string[] = [];
    const real = deflatedBlocks(newDirectory());
    const memory: DeflatedBlocks = {
      get: (key) => {
        asked.push(key.digest);
        return real.get(key);
      },
      set: real.set,
    };
    await packed(lasting, memory);
    expect(asked).toEqual([sha256(text(700, 1)), sha256(text(40_000, 2))]);
  });

  it("takes a damaged or foreign entry for none, and writes it anew", async () => {
    const wanted = await packed(sample);
    const directory = newDirectory();
    const memory = deflatedBlocks(directory);
    await packed(sample, memory);
    const files = entries(directory);
    expect(files.length).toBe(3);
    const [first = "", second = ""] = files;
    const good = readFileSync(first);
    const damages: (() => void)[] = [
      () => writeFileSync(first, ""),
      () => writeFileSync(first, good.subarray(0, 3)),
      () => writeFileSync(first, good.subarray(0, good.length - 1)),
      () => writeFileSync(first, Buffer.concat([good, Buffer.alloc(1)])),
      () => writeFileSync(first, Buffer.alloc(64, 0xff)),
      () => writeFileSync(first, readFileSync(second)),
      ...[0, 1, 5, 9, 13, 40, good.length - 1].map((at) => () => {
        const bad = Buffer.from(good);
        bad[at] = (bad[at] ?? 0) ^ 0x10;
        writeFileSync(first, bad);
      }),
    ];
    for (const damage of damages) {
      damage();
      expect((await packed(sample, memory)).equals(wanted)).toBe(true);
      expect(readFileSync(first).equals(good)).toBe(true);
    }
  }, 60_000);

  it("does without a place to write to", async () => {
    const file = join(newDirectory(), "file");
    writeFileSync(file, "");
    expect((await packed(sample, deflatedBlocks(file))).equals(await packed(sample))).toBe(true);
  });
});
