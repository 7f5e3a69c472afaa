import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it, onTestFinished } from "vitest";
import { pageMemory } from "./page-memory.ts";
import { WriteBehind } from "./write-behind.ts";

function place(): string {
  const directory = mkdtempSync(join(tmpdir(), "whittle-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "file");
}

function leadsTo(open: number, path: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${open}`) === path;
  } catch {
    // Closed meanwhile.
    return false;
  }
}

it("writes what it was given, even when chunks are used again", async () => {
  const path = place();
  const size = fc.oneof(fc.nat(100), fc.integer({ min: 200_000, max: 3_000_000 }));
  await fc.assert(
    fc.asyncProperty(fc.array(size, { maxLength: 6 }), fc.nat(9), async (sizes, from) => {
      const file = openSync(path, "w");
      const seen: Buffer[] = [];
      const writer = new WriteBehind(file, {
        from,
        async seen(bytes) {
          await new Promise(setImmediate);
          seen.push(Buffer.from(bytes));
        },
      });
      const shared = Buffer.alloc(3_000_000);
      const expected: Buffer[] = [];
      for (const [at, length] of sizes.entries()) {
        const chunk = shared.subarray(0, length).fill(at + 1);
        expected.push(Buffer.from(chunk));
        await writer.write(chunk);
      }
      await writer.end();
      closeSync(file);
      const written = readFileSync(path);
      expect(written.subarray(from).equals(Buffer.concat(expected))).toBe(true);
      expect(Buffer.concat(seen).equals(Buffer.concat(expected))).toBe(true);
    }),
    { numRuns: 30 },
  );
});

it("writes pages past the system's memory, and what is no page in the ordinary way", async () => {
  const path = place();
  const page = 4096;
  const memory = pageMemory(64 * page);
  const cut = fc.oneof(
    // Whole pages; a few bytes; whole pages that begin where no page does.
    fc.record({
      from: fc.nat(20).map((at) => at * page),
      size: fc.integer({ min: 32, max: 40 }).map((n) => n * page),
    }),
    fc.record({ from: fc.nat(100), size: fc.nat(3000) }),
    fc.record({ from: fc.nat(100), size: fc.integer({ min: 130_000, max: 180_000 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(cut, { maxLength: 8 }), async (cuts) => {
      const file = openSync(path, "w");
      const writer = new WriteBehind(file, { directly: path, seen: () => undefined });
      const expected: Buffer[] = [];
      for (const [at, { from, size }] of cuts.entries()) {
        const chunk = memory.subarray(from, from + size).fill(at + 1);
        expected.push(Buffer.from(chunk));
        await writer.write(chunk);
      }
      await writer.end();
      closeSync(file);
      expect(readFileSync(path).equals(Buffer.concat(expected))).toBe(true);
    }),
    { numRuns: 60 },
  );
});

it("opens a file past the system's memory once, and closes it", async () => {
  const path = place();
  const file = openSync(path, "w");
  const opened = (): number[] =>
    readdirSync("/proc/self/fd")
      .map(Number)
      .filter((open) => leadsTo(open, path));
  const writer = new WriteBehind(file, { directly: path, seen: () => undefined });
  const memory = pageMemory(1024 * 1024);
  for (let count = 0; count < 3; count++) await writer.write(memory);
  // One, where the file system has nothing but memory.
  expect(opened().length).toBeLessThanOrEqual(2);
  await writer.end();
  expect(opened()).toEqual([file]);
  closeSync(file);
});

it("writes in the ordinary way where it cannot go past the system's memory", async () => {
  const path = place();
  const file = openSync(path, "w");
  // Like a file system that refuses it, a place that is no file answers with EINVAL.
  const pipe = `${path}.pipe`;
  execFileSync("mkfifo", [pipe]);
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = new WriteBehind(file, { directly: pipe, seen: () => undefined });
  const memory = pageMemory(1024 * 1024).fill(5);
  await writer.write(memory);
  await writer.write(memory);
  await writer.end();
  closeSync(file);
  closeSync(reader);
  expect(readFileSync(path).equals(Buffer.alloc(2 * 1024 * 1024, 5))).toBe(true);
});

it("tells of a failure, and can be ended after it", async () => {
  const path = place();
  closeSync(openSync(path, "w"));
  const file = openSync(path, "r");
  const writer = new WriteBehind(file, { seen: () => undefined });
  const chunk = Buffer.alloc(4 * 1024 * 1024);
  await expect(writer.write(chunk)).rejects.toMatchObject({ code: "EBADF" });
  await expect(writer.end()).rejects.toMatchObject({ code: "EBADF" });
  closeSync(file);
});

it("tells of what whoever sees the bytes says of them", async () => {
  const path = place();
  const file = openSync(path, "w");
  const writer = new WriteBehind(file, { seen: async () => Promise.reject(new Error("not these")) });
  await expect(writer.write(Buffer.alloc(4 * 1024 * 1024))).rejects.toThrow("not these");
  await expect(writer.end()).rejects.toThrow("not these");
  closeSync(file);
});
