import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { fileContent, readContent } from "./content.ts";

it("reads pieces of many files, and keeps none of them open", async () => {
  const directory = mkdtempSync(join(tmpdir(), "whittle-content-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const paths = Array.from({ length: 50 }, (_, index) => join(directory, `${index}`));
  for (const path of paths) writeFileSync(path, `of ${path}`);
  const opened = (): number => readdirSync("/proc/self/fd").length;
  const before = opened();
  for (const path of [...paths, ...paths.toReversed()]) {
    const content = fileContent(path, path.length, 3);
    expect((await readContent(content)).toString()).toBe(path);
    expect((await readContent(content, { start: 1, end: 4 })).toString()).toBe(path.slice(1, 4));
  }
  const gone = fileContent(join(directory, "gone"), 1);
  await expect(readContent(gone)).rejects.toThrow(/Cannot read .*gone/);
  await setImmediate();
  expect(opened()).toBe(before);
});
