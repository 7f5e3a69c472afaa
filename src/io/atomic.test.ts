import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeFileAtomically } from "./atomic.ts";

let box: string;
beforeEach(async () => {
  box = await mkdtemp(join(tmpdir(), "whittle-atomic-"));
});
afterEach(() => rm(box, { recursive: true, force: true }));

async function* failing(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("half");
  throw new Error("the source broke");
}

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

describe("writeFileAtomically", () => {
  it("writes text, bytes and streams, and makes the directories above", async () => {
    const path = join(box, "a/b/c");
    expect(await writeFileAtomically(path, "ü")).toBe(2);
    expect(await writeFileAtomically(path, Buffer.from("bytes"))).toBe(5);
    expect(await writeFileAtomically(path, chunks("one ", "", "two"), { mode: 0o600 })).toBe(7);
    expect(readFileSync(path, "utf8")).toBe("one two");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(box, "a/b"))).toEqual(["c"]);
  });

  it("leaves the old file and nothing else when the source fails", async () => {
    const path = join(box, "f");
    writeFileSync(path, "old");
    await expect(writeFileAtomically(path, failing())).rejects.toThrow("the source broke");
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(box)).toEqual(["f"]);
  });

  it("stops when it is told to and leaves nothing", async () => {
    const abort = new AbortController();
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let i = 0; ; i++) {
        if (i === 3) abort.abort();
        yield Buffer.from("x");
      }
    }
    await expect(writeFileAtomically(join(box, "f"), endless(), { signal: abort.signal })).rejects.toThrow();
    expect(readdirSync(box)).toEqual([]);
  });

  it("says what it could not write", async () => {
    mkdirSync(join(box, "directory/inside"), { recursive: true });
    await expect(writeFileAtomically(join(box, "directory"), "x")).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    writeFileSync(join(box, "file"), "");
    await expect(writeFileAtomically(join(box, "file/below"), "x")).rejects.toMatchObject({
      name: "WhittleError",
    });
    expect(readdirSync(box)).toEqual(["directory", "file"]);
  });
});
