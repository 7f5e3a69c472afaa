import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { plainHash, threadHash } from "./thread-hash.ts";

const algorithms = ["sha256", "sha512"] as const;

describe.each(algorithms)("%s", (algorithm) => {
  it("is what Node works out, however the bytes are cut and whoever looks at them", async () => {
    const size = fc.oneof(fc.nat(200), fc.integer({ min: 100_000, max: 700_000 }));
    await fc.assert(
      fc.asyncProperty(fc.array(size, { maxLength: 6 }), async (sizes) => {
        const chunks = sizes.map((length) => randomBytes(length));
        const hashes = [await threadHash(algorithm), plainHash(algorithm)];
        for (const chunk of chunks) for (const hash of hashes) await hash.update(chunk);
        const expected = createHash(algorithm).update(Buffer.concat(chunks)).digest("hex");
        expect(hashes.map((hash) => hash.digest())).toEqual([expected, expected]);
      }),
      { numRuns: 40 },
    );
  });

  it("leaves a long chunk to another thread, and takes a short one at once", async () => {
    const hash = await threadHash(algorithm);
    const long = hash.update(randomBytes(1024 * 1024));
    expect(long).toBeInstanceOf(Promise);
    await long;
    expect(hash.update(randomBytes(1000))).toBeUndefined();
  });

  it("goes on after it was asked for", async () => {
    const expected = (text: string): string => createHash(algorithm).update(text).digest("hex");
    for (const hash of [await threadHash(algorithm), plainHash(algorithm)]) {
      await hash.update(Buffer.from("one"));
      expect([hash.digest(), hash.digest()]).toEqual([expected("one"), expected("one")]);
      await hash.update(Buffer.from(" two"));
      expect(hash.digest()).toBe(expected("one two"));
    }
  });

  it("works out many at once", async () => {
    const bytes = randomBytes(3 * 1024 * 1024);
    const expected = createHash(algorithm).update(bytes).digest("hex");
    const one = async (): Promise<string> => {
      const hash = await threadHash(algorithm);
      for (let at = 0; at < bytes.length; at += 300_000) await hash.update(bytes.subarray(at, at + 300_000));
      return hash.digest();
    };
    expect(await Promise.all(Array.from({ length: 20 }, one))).toEqual(Array(20).fill(expected));
  });
});
