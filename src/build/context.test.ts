import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readText, sha256 } from "../io/index.ts";
import { type Context, readContext } from "./context.ts";

let directory = "";
let context: Context;
const { signal } = new AbortController();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "whittle-context-"));
  mkdirSync(join(directory, "context/api"), { recursive: true });
  writeFileSync(join(directory, "context/api/users.json"), "[]");
  writeFileSync(join(directory, "context/api/large"), Buffer.alloc(100_000, "x"));
  context = { directory: join(directory, "context"), cacheDirectory: join(directory, "cache") };
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("readContext", () => {
  it("brings a directory's contents to the top, with digests", async () => {
    const { tree, isFile } = await readContext(context, "api", signal);
    expect(isFile).toBe(false);
    expect(tree.children("/")).toEqual(["large", "users.json"]);
    const entry = tree.get("/users.json");
    expect(entry?.type === "file" && entry.content.digest).toBe(sha256("[]"));
    expect(entry?.origin).toEqual({ kind: "context", path: "api/users.json" });
  });

  it("brings a single file under its name", async () => {
    const { tree, isFile } = await readContext(context, "./api/users.json", signal);
    expect(isFile).toBe(true);
    expect(tree.children("/")).toEqual(["users.json"]);
  });

  it.each(["..", "../x", "/etc/passwd", "api/../../x"])("refuses %s, which leads out", async (path) => {
    await expect(readContext(context, path, signal)).rejects.toMatchObject({ code: "OUTSIDE_CONTEXT" });
  });

  it("refuses a link that leads out", async () => {
    symlinkSync("/etc", join(context.directory, "escape"));
    await expect(readContext(context, "escape", signal)).rejects.toMatchObject({ code: "OUTSIDE_CONTEXT" });
    await expect(readContext(context, "escape/passwd", signal)).rejects.toMatchObject({
      code: "OUTSIDE_CONTEXT",
    });
  });

  it("keeps links inside as links, wherever they point", async () => {
    symlinkSync("/etc/passwd", join(context.directory, "api/link"));
    const { tree } = await readContext(context, "api", signal);
    expect(tree.get("/link")).toMatchObject({ type: "symlink", target: "/etc/passwd" });
  });

  it("says what is missing", async () => {
    await expect(readContext(context, "nothing", signal)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("sees a change of equal length at an equal time", async () => {
    const path = join(context.directory, "api/users.json");
    const digest = async (): Promise<unknown> => {
      const entry = (await readContext(context, "api", signal)).tree.get("/users.json");
      return entry?.type === "file" ? entry.content.digest : undefined;
    };
    utimesSync(path, 1000, 1000);
    expect(await digest()).toBe(sha256("[]"));
    writeFileSync(path, "{}");
    utimesSync(path, 1000, 1000);
    expect(await digest()).toBe(sha256("{}"));
  });

  it("refuses bytes that are no longer what was digested", async () => {
    const { tree } = await readContext(context, "api", signal);
    writeFileSync(join(context.directory, "api/large"), Buffer.alloc(100_000, "y"));
    const entry = tree.get("/large");
    if (entry?.type !== "file") throw new Error("no file");
    await expect(readText(entry.content)).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  });
});
