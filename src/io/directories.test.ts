import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeDirectories } from "./directories.ts";

let top = "";

beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), "whittle-directories-"));
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

describe("makeDirectories", () => {
  it("makes all that is missing, any number of times and at once", async () => {
    const path = join(top, "a/b/c/d");
    await Promise.all(Array.from({ length: 20 }, () => makeDirectories(path)));
    await makeDirectories(path);
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it("fails where a file is in the way", async () => {
    writeFileSync(join(top, "file"), "");
    await expect(makeDirectories(join(top, "file"))).rejects.toMatchObject({ code: "EEXIST" });
    await expect(makeDirectories(join(top, "file/below"))).rejects.toMatchObject({ code: "ENOTDIR" });
  });

  it("fails at once below a directory that will not have children", async () => {
    await expect(makeDirectories("/proc/nowhere")).rejects.toMatchObject({ code: "ENOENT" });
    await expect(makeDirectories("/proc/nowhere/below")).rejects.toMatchObject({ code: "ENOENT" });
  });
});
