import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compressedForm, decompress, gzip, WhittleError, zstd } from "./index.ts";

async function* inPieces(data: Uint8Array, size = 65536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

async function all(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Text that compresses, with matches near and far. */
function sample(size: number): Buffer {
  const lines: string[] = [];
  let length = 0;
  for (let i = 0; length < size; i++) {
    const line = `${createHash("md5")
      .update(String(i % 5000))
      .digest("hex")
      .slice(0, (i % 20) + 3)} line ${i}\n`;
    lines.push(line);
    length += line.length;
  }
  return Buffer.from(lines.join("")).subarray(0, size);
}

const compressors = [
  ["gzip", gzip, "gzip"],
  ["zstd", zstd, "zstd"],
] as const;

describe.each(compressors)("%s", (_name, compress, form) => {
  it("gives back what went in, for every size around its blocks", async () => {
    const mebibyte = 1024 * 1024;
    for (const size of [
      0,
      1,
      32767,
      32769,
      mebibyte - 1,
      mebibyte,
      mebibyte + 1,
      4 * mebibyte,
      9 * mebibyte + 7,
    ]) {
      const data = sample(size);
      const packed = await all(compress(inPieces(data)));
      expect(compressedForm(packed)).toBe(form);
      expect((await all(decompress(inPieces(packed)))).equals(data)).toBe(true);
    }
  });

  it("makes the same bytes however the input is cut and how many threads there are", async () => {
    const data = sample(2_500_000);
    const wanted = await all(compress(inPieces(data)));
    for (const size of [1000, 99_991, 1024 * 1024, 3_000_000]) {
      expect((await all(compress(inPieces(data, size)))).equals(wanted)).toBe(true);
    }
    const source = `import { gzip, zstd } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
      import { createHash } from "node:crypto";
      const hash = createHash("sha256");
      for await (const chunk of ${_name}(process.stdin)) hash.update(chunk);
      console.log(hash.digest("hex"));`;
    for (const threads of ["1", "7"]) {
      const output = execFileSync(process.execPath, ["--input-type=module", "-e", source], {
        input: data,
        env: { ...process.env, UV_THREADPOOL_SIZE: threads },
        encoding: "utf8",
      });
      expect(output.trim()).toBe(createHash("sha256").update(wanted).digest("hex"));
    }
  });

  it("refuses levels that do not exist", async () => {
    for (const level of [0, -1, 1.5, 23, Number.NaN]) {
      await expect(all(compress(inPieces(sample(10)), { level }))).rejects.toMatchObject({ code: "USAGE" });
    }
  });

  it("passes on a failure of its source, and stops when told to", async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield sample(3_000_000);
      throw new Error("the source broke");
    }
    await expect(all(compress(failing()))).rejects.toThrow("the source broke");
    const signal = AbortSignal.abort();
    await expect(all(compress(inPieces(sample(10)), { signal }))).rejects.toThrow();
  });
});

describe("gzip", () => {
  it("is one member that others read, close in size to one pass", async () => {
    const data = sample(5_000_000);
    const packed = await all(gzip(inPieces(data)));
    expect(gunzipSync(packed).equals(data)).toBe(true);
    const python =
      "import sys,gzip,hashlib; print(hashlib.sha256(gzip.decompress(sys.stdin.buffer.read())).hexdigest())";
    const read = execFileSync("python3", ["-c", python], { input: packed, encoding: "utf8" });
    expect(read.trim()).toBe(createHash("sha256").update(data).digest("hex"));
    expect(packed.length).toBeLessThan(gzipSync(data, { level: 5 }).length * 1.01);
  });

  it("says nothing about time, name or machine (RFC 1952, 2.3)", async () => {
    const packed = await all(gzip(inPieces(Buffer.from("x"))));
    expect([...packed.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
  });
});

const python = `
import sys, bz2, lzma, gzip
data = sys.stdin.buffer.read()
sys.stdout.buffer.write({"xz": lzma.compress, "bzip2": bz2.compress, "gzip": gzip.compress}[sys.argv[1]](data))
`;

function packedBy(form: string, data: Buffer): Buffer {
  if (form === "zstd") return zstdCompressSync(data);
  return execFileSync("python3", ["-c", python, form], { input: data, maxBuffer: 1 << 28 });
}

describe.each(["gzip", "zstd", "xz", "bzip2"])("decompress %s", (form) => {
  const data = sample(700_000);
  const packed = packedBy(form, data);

  it("reads what others wrote, also in small pieces", async () => {
    expect((await all(decompress(inPieces(packed)))).equals(data)).toBe(true);
    expect((await all(decompress(inPieces(packed, 977)))).equals(data)).toBe(true);
    const little = packedBy(form, Buffer.from("hello\n"));
    expect((await all(decompress(inPieces(little, 1)))).toString()).toBe("hello\n");
    expect(await all(decompress(inPieces(packedBy(form, Buffer.alloc(0)))))).toHaveLength(0);
  });

  it("reads several streams that follow each other as one", async () => {
    const other = packedBy(form, Buffer.from("and more"));
    for (const size of [1 << 20, 501]) {
      const read = await all(decompress(inPieces(Buffer.concat([packed, other, packed]), size)));
      expect(read.equals(Buffer.concat([data, Buffer.from("and more"), data]))).toBe(true);
    }
  });

  it("refuses input that ends early, wherever that is", async () => {
    const little = packedBy(form, sample(2000));
    for (let end = 6; end < little.length; end += Math.ceil(little.length / 40)) {
      await expect(all(decompress(inPieces(little.subarray(0, end))))).rejects.toMatchObject({
        code: "ARCHIVE_CORRUPT",
      });
    }
    const end = little.length - 1;
    await expect(all(decompress(inPieces(little.subarray(0, end))))).rejects.toMatchObject({
      code: "ARCHIVE_CORRUPT",
    });
  });

  it("never passes damage off as data", async () => {
    const original = sample(2000);
    const little = packedBy(form, original);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 48, max: little.length * 8 - 1 }), async (bit) => {
        const bent = Buffer.from(little);
        bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const read = await all(decompress(inPieces(bent))).catch((error: unknown) => {
          expect(error).toBeInstanceOf(WhittleError);
          return undefined;
        });
        // Some bits mean nothing (times, names, padding); then the data must be whole.
        if (read !== undefined && form !== "zstd") expect(read.equals(original)).toBe(true);
      }),
      { numRuns: form === "zstd" || form === "gzip" ? 200 : 60 },
    );
  });

  it("refuses a bomb by its size and by its ratio", async () => {
    const zeros = packedBy(form, Buffer.alloc(20_000_000));
    await expect(all(decompress(inPieces(zeros), { limit: 10_000_000 }))).rejects.toMatchObject({
      code: "ARCHIVE_HOSTILE",
    });
    async function count(stream: AsyncIterable<Uint8Array>): Promise<number> {
      let size = 0;
      for await (const chunk of stream) size += chunk.length;
      return size;
    }
    // Streams may follow each other, so that a few of them are 300 MB.
    const bomb = Buffer.concat(Array.from({ length: 15 }, () => zeros));
    await expect(count(decompress(inPieces(bomb)))).rejects.toMatchObject({ code: "ARCHIVE_HOSTILE" });
  });

  it("passes on a failure of its source as it is", async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield packed.subarray(0, 1000);
      throw new Error("the source broke");
    }
    await expect(all(decompress(failing()))).rejects.toThrow(/^the source broke$/);
  });

  it("can be left early and used again", async () => {
    for (let i = 0; i < 4; i++) {
      for await (const chunk of decompress(inPieces(packed, 5000))) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
    }
    expect((await all(decompress(inPieces(packed)))).equals(data)).toBe(true);
  });
});

describe("decompress", () => {
  it("passes on what is not compressed", async () => {
    for (const text of ["", "P", "plain text", "BZ", "\x1f"]) {
      expect((await all(decompress(inPieces(Buffer.from(text, "latin1"), 1)))).toString("latin1")).toBe(text);
    }
    const noise = Buffer.concat([Buffer.from("tar"), randomBytes(100_000)]);
    expect((await all(decompress(inPieces(noise)))).equals(noise)).toBe(true);
    await expect(all(decompress(inPieces(noise), { limit: 1000 }))).rejects.toMatchObject({
      code: "ARCHIVE_HOSTILE",
    });
  });

  it("passes over skippable frames between zstd frames (RFC 8878, 3.1.2)", async () => {
    const skippable = Buffer.concat([Buffer.from("5a2a4d1803000000", "hex"), Buffer.from("abc")]);
    const one = packedBy("zstd", Buffer.from("one "));
    const two = packedBy("zstd", Buffer.from("two"));
    for (const size of [1, 7, 1000]) {
      const stream = inPieces(Buffer.concat([one, skippable, two, skippable]), size);
      expect((await all(decompress(stream))).toString()).toBe("one two");
    }
  });

  it("runs many xz streams side by side", async () => {
    const data = sample(300_000);
    const packed = packedBy("xz", data);
    const results = await Promise.all(
      Array.from({ length: 12 }, () => all(decompress(inPieces(packed, 4000)))),
    );
    expect(results.every((result) => result.equals(data))).toBe(true);
  });

  it("does not keep the process alive when its threads are idle", () => {
    const source = `import { decompress } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
      let size = 0; for await (const chunk of decompress(process.stdin)) size += chunk.length; console.log(size);`;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", source], {
      input: packedBy("xz", sample(1000)),
      encoding: "utf8",
      timeout: 20_000,
    });
    expect(output).toBe("1000\n");
  });
});
