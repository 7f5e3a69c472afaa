import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it, onTestFinished } from "vitest";
import { WriteBehind } from "./write-behind.ts";

function place(): string {
  const directory = mkdtempSync(join(tmpdir(), "whittle-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "file");
}

it("writes what it was given, even when chunks are used again", async () => {
  const path = place();
  const size = fc.oneof(fc.nat(100), fc.integer({ min: 200_000, max: 3_000_000 }));
  await fc.assert(
    fc.asyncProperty(fc.array(size, { maxLength: 6 }), async (sizes) => {
      const file = openSync(path, "w");
      const writer = new WriteBehind(file);
      const shared = Buffer.alloc(3_000_000);
      const expected: Buffer[] = [];
      for (const [at, length] of sizes.entries()) {
        const chunk = shared.subarray(0, length).fill(at + 1);
        expected.push(Buffer.from(chunk));
        await writer.write(chunk);
      }
      await writer.end();
      closeSync(file);
      expect(readFileSync(path).equals(Buffer.concat(expected))).toBe(true);
    }),
    { numRuns: 30 },
  );
});

it("tells of a failure, and can be ended after it", async () => {
  const path = place();
  closeSync(openSync(path, "w"));
  const file = openSync(path, "r");
  const writer = new WriteBehind(file);
  const chunk = Buffer.alloc(4 * 1024 * 1024);
  await expect(writer.write(chunk)).rejects.toMatchObject({ code: "EBADF" });
  await expect(writer.end()).rejects.toMatchObject({ code: "EBADF" });
  closeSync(file);
});
