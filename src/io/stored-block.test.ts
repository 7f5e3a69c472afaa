import { execFileSync } from "node:child_process";
import { createCipheriv } from "node:crypto";
import { deflateRawSync, gunzipSync, inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gzip } from "./index.ts";
import { isIncompressible, storedBlocks } from "./stored-block.ts";

const mebibyte = 1024 * 1024;

/** Bytes that nothing compresses, the same in every run. */
function noise(size: number, seed = 0): Buffer {
  return createCipheriv("aes-128-ctr", Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(size));
}

const deflate = async (bytes: Uint8Array, level: number): Promise<Uint8Array> =>
  deflateRawSync(bytes, { level });

async function packed(bytes: Uint8Array, level?: number): Promise<Buffer> {
  const source = async function* (): AsyncGenerator<Uint8Array> {
    yield bytes;
  };
  const chunks: Uint8Array[] = [];
  for await (const chunk of gzip(source(), level === undefined ? {} : { level })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("isIncompressible", () => {
  it("says yes to noise and what was compressed, no to anything else", async () => {
    const text = Buffer.from(
      Array.from({ length: 90_000 }, (_, i) => `line ${(i * 7919) % 9973}\n`).join(""),
    );
    expect(await isIncompressible(noise(mebibyte), deflate)).toBe(true);
    const hexadecimal = Buffer.from(noise(mebibyte).toString("hex"));
    const archive = deflateRawSync(hexadecimal, { level: 9 });
    expect(await isIncompressible(archive, deflate)).toBe(true);
    expect(await isIncompressible(hexadecimal, deflate)).toBe(false);
    expect(await isIncompressible(text, deflate)).toBe(false);
    expect(await isIncompressible(Buffer.from(noise(mebibyte).toString("base64")), deflate)).toBe(false);
    expect(await isIncompressible(new Uint8Array(mebibyte), deflate)).toBe(false);
  });

  it("sees that a part of the noise is none, wherever that is", async () => {
    for (let eighth = 0; eighth < 8; eighth++) {
      const bytes = noise(mebibyte);
      bytes.fill(0, (eighth * mebibyte) / 8, ((eighth + 1) * mebibyte) / 8);
      expect(await isIncompressible(bytes, deflate)).toBe(false);
    }
  });

  it("does not look at what is short", async () => {
    expect(await isIncompressible(noise(40_000), deflate)).toBe(false);
    expect(await isIncompressible(new Uint8Array(0), deflate)).toBe(false);
  });
});

describe("storedBlocks", () => {
  it("is what inflate takes back", () => {
    const size = fc.oneof(fc.nat(300_000), fc.constantFrom(0, 1, 0xffff, 0x10000, 2 * 0xffff));
    fc.assert(
      fc.property(size, fc.nat(9), (length, seed) => {
        const bytes = noise(length, seed);
        const ended = Buffer.concat([storedBlocks(bytes), Buffer.of(3, 0)]);
        expect(inflateRawSync(ended).equals(bytes)).toBe(true);
      }),
    );
  });
});

describe("gzip of noise", () => {
  it("is hardly longer than it, and other programs read it, with text before, between and after", async () => {
    const text = Buffer.from("text that compresses well, again and again\n".repeat(40_000));
    const bytes = Buffer.concat([text, noise(2.5 * mebibyte, 1), text, noise(mebibyte, 2), text]);
    const result = await packed(bytes);
    expect(gunzipSync(result).equals(bytes)).toBe(true);
    expect(execFileSync("gzip", ["-dc"], { input: result, maxBuffer: 64 * mebibyte }).equals(bytes)).toBe(
      true,
    );
    expect((await packed(noise(4 * mebibyte))).length).toBeLessThan(4 * mebibyte * 1.001);
  });

  it("comes to the same whatever the level", async () => {
    const bytes = noise(1.5 * mebibyte);
    expect((await packed(bytes, 1)).equals(await packed(bytes, 9))).toBe(true);
  });
});
