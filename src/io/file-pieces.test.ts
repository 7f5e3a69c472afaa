import { randomBytes } from "node:crypto";
import { mkdtempSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it, onTestFinished } from "vitest";
import { filePieces, type TakeBytes } from "./file-pieces.ts";

const bytes = randomBytes(1_500_000);

function fileOf(data: Uint8Array): string {
  const place = mkdtempSync(join(tmpdir(), "whittle-test-"));
  onTestFinished(() => rmSync(place, { recursive: true, force: true }));
  const path = join(place, "file");
  writeFileSync(path, data);
  return path;
}

it("what is taken and what is read are the whole range, in order", async () => {
  const path = fileOf(bytes);
  const anyPlace = fc.nat(bytes.length);
  const anyTaking = fc.array(fc.nat(700_000), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(anyPlace, anyPlace, anyTaking, fc.boolean(), async (one, other, taking, stops) => {
      const range = { start: Math.min(one, other), end: Math.max(one, other) };
      const parts: Buffer[] = [];
      const wanted = [...taking];
      let isAsked = true;
      const take: TakeBytes = async (file, at, length) => {
        expect(isAsked).toBe(true);
        isAsked = !stops || wanted.length > 0;
        if (!isAsked) return undefined;
        const taken = Buffer.alloc(Math.min(wanted.shift() ?? 0, length));
        if (taken.length > 0) readSync(file, taken, 0, taken.length, at);
        parts.push(taken);
        return taken.length;
      };
      for await (const piece of filePieces(path, range, take)) parts.push(Buffer.from(piece));
      expect(Buffer.concat(parts).equals(bytes.subarray(range.start, range.end))).toBe(true);
    }),
    { numRuns: 50 },
  );
});

it("a file that ends too early is an error, not a short read", async () => {
  const path = fileOf(bytes);
  const read = async (): Promise<number> => {
    let size = 0;
    for await (const piece of filePieces(path, { start: 10, end: bytes.length + 1 })) size += piece.length;
    return size;
  };
  await expect(read()).rejects.toMatchObject({ code: "ARCHIVE_CORRUPT" });
});
