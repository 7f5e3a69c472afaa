import { constants } from "node:fs";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { isWholePages, pageMemory, pageSize } from "./page-memory.ts";

it("is known by its whole pages", () => {
  const memory = pageMemory(2 * 65536);
  expect(memory.length).toBe(2 * 65536);
  expect(isWholePages(memory)).toBe(true);
  expect(isWholePages(memory.subarray(pageSize, 3 * pageSize))).toBe(true);
  expect(isWholePages(memory.subarray(1, pageSize + 1))).toBe(false);
  expect(isWholePages(memory.subarray(0, pageSize - 1))).toBe(false);
  expect(isWholePages(Buffer.alloc(65536))).toBe(false);
});

it("is what a file takes that is written past the system's memory", async () => {
  const directory = await mkdtemp(join(tmpdir(), "whittle-test-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, "file");
  const file = await open(path, constants.O_CREAT | constants.O_WRONLY | constants.O_DIRECT).catch(
    (error: NodeJS.ErrnoException) => {
      // Some file systems have nothing but memory.
      if (error.code !== "EINVAL") throw error;
    },
  );
  if (file === undefined) return;
  const memory = pageMemory(65536).fill(7);
  try {
    await file.write(memory, pageSize, 3 * pageSize, 0);
  } finally {
    await file.close();
  }
  expect((await readFile(path)).equals(Buffer.alloc(3 * pageSize, 7))).toBe(true);
});
