import { appendFileSync, mkdtempSync, rmSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { growing, growsBeyond } from "./growing.ts";

const signal = new AbortController().signal;

async function empty(): Promise<{ path: string; file: FileHandle }> {
  const directory = mkdtempSync(join(tmpdir(), "whittle-test-"));
  const path = join(directory, "file");
  writeFileSync(path, "");
  const file = await open(path, "r");
  onTestFinished(async () => {
    await file.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { path, file };
}

it("reads what is there, what comes, and what comes after the name is gone", async () => {
  const { path, file } = await empty();
  const whole = Promise.withResolvers<{ size: number }>();
  appendFileSync(path, "one ");
  const read = growing({ file, whole: whole.promise, signal });
  const text = async (): Promise<string> => Buffer.from((await read.next()).value ?? []).toString();
  expect(await text()).toBe("one ");
  const next = text();
  appendFileSync(path, "two ");
  expect(await next).toBe("two ");
  appendFileSync(path, "three");
  unlinkSync(path);
  whole.resolve({ size: 13 });
  expect(await text()).toBe("three");
  expect((await read.next()).done).toBe(true);
});

it("ends with a file of nothing", async () => {
  const { file } = await empty();
  expect((await growing({ file, whole: Promise.resolve({ size: 0 }), signal }).next()).done).toBe(true);
});

it("takes no file for whole that is shorter than it should be", async () => {
  const { path, file } = await empty();
  appendFileSync(path, "12345");
  const whole = Promise.withResolvers<{ size: number }>();
  const read = growing({ file, whole: whole.promise, signal });
  await read.next();
  truncateSync(path, 2);
  whole.resolve({ size: 6 });
  await expect(read.next()).rejects.toThrow("ends at byte 5 of 6");
});

it("fails with whoever writes the file", async () => {
  const { file } = await empty();
  const whole = Promise.withResolvers<{ size: number }>();
  const next = growing({ file, whole: whole.promise, signal }).next();
  whole.reject(new Error("no space"));
  await expect(next).rejects.toThrow("no space");
});

it("stops when it is told to", async () => {
  const { file } = await empty();
  const stop = new AbortController();
  const next = growing({ file, whole: new Promise(() => undefined), signal: stop.signal }).next();
  stop.abort(new Error("stopped"));
  await expect(next).rejects.toThrow("stopped");
});

it("tells whether a file is long before it is whole", async () => {
  const { path, file } = await empty();
  const whole = Promise.withResolvers<{ size: number }>();
  const from = { file, whole: whole.promise, signal };
  const long = growsBeyond(3, from);
  appendFileSync(path, "1234");
  expect(await long).toBe(true);
  const longer = growsBeyond(4, from);
  whole.resolve({ size: 4 });
  expect(await longer).toBe(false);
});
