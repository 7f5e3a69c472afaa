import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crc32Combine } from "./crc32-combine.ts";

const bytes = fc.uint8Array({ maxLength: 5000 });

describe("combining CRC-32", () => {
  it("comes to what zlib comes to over both pieces", () => {
    fc.assert(
      fc.property(bytes, bytes, (first, second) => {
        const combined = crc32Combine(crc32(first), crc32(second), second.length);
        expect(combined).toBe(crc32(second, crc32(first)));
      }),
    );
  });

  it("does so for pieces of any length", () => {
    for (const length of [0, 1, 255, 256, 65_535, 1024 * 1024, 1024 * 1024 + 1]) {
      const piece = Buffer.alloc(length, "whittle");
      const first = crc32("before");
      expect(crc32Combine(first, crc32(piece), length)).toBe(crc32(piece, first));
    }
  });

  it("knows lengths beyond 32 bits", () => {
    // 5 GiB of nothing behind something, in two ways.
    const gigabyte = 1024 ** 3;
    let zeros = crc32(Buffer.alloc(1024));
    for (let length = 1024; length < gigabyte; length *= 2) zeros = crc32Combine(zeros, zeros, length);
    let five = crc32("x");
    for (let count = 0; count < 5; count++) five = crc32Combine(five, zeros, gigabyte);
    const four = [zeros, zeros, zeros].reduce((sum, next) => crc32Combine(sum, next, gigabyte), zeros);
    const together = crc32Combine(four, zeros, gigabyte);
    expect(crc32Combine(crc32("x"), together, 5 * gigabyte)).toBe(five);
  });
});
