import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Digest } from "../../io/index.ts";
import { openStore, type Store } from "../../store/index.ts";
import { rangeHeader, Uploads } from "./uploads.ts";

const owner = { repository: "a", user: "" };
const limits = { bytes: 1000, sessions: 3 };

async function open(): Promise<Store> {
  const directory = mkdtempSync(join(tmpdir(), "whittle-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return openStore(join(directory, "store"), { create: true });
}

async function* body(...chunks: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

async function* broken(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
  throw new Error("the connection broke");
}

const digestOf = (text: string, algorithm: "sha256" | "sha512" = "sha256"): Digest =>
  `${algorithm}:${createHash(algorithm).update(text).digest("hex")}`;

describe("an upload", () => {
  it("grows in chunks, and is a blob in the end", async () => {
    const store = await open();
    const uploads = new Uploads(store, limits);
    const session = await uploads.begin(owner);
    expect(await uploads.append(session, owner, body("hel", "lo "), 0)).toBe(6);
    expect(await uploads.append(session, owner, body("wor"), undefined)).toBe(9);
    expect(await uploads.size(session, owner)).toBe(9);
    await uploads.finish(session, owner, body("ld"), digestOf("hello world"));
    expect(await store.has(digestOf("hello world"))).toBe(true);
    expect(await uploads.count()).toBe(0);
    await expect(uploads.size(session, owner)).rejects.toMatchObject({ code: "BLOB_UPLOAD_UNKNOWN" });
  });

  it("may be proved by SHA-512", async () => {
    const store = await open();
    const uploads = new Uploads(store, limits);
    await uploads.finish(await uploads.begin(owner), owner, body("x"), digestOf("x", "sha512"));
    expect(await store.has(digestOf("x", "sha512"))).toBe(true);
  });

  it("goes on after the server has gone, and after a broken connection", async () => {
    const store = await open();
    const first = new Uploads(store, limits);
    const session = await first.begin(owner);
    await expect(first.append(session, owner, broken("hello "), undefined)).rejects.toThrow(/broke/);
    const second = new Uploads(store, limits);
    expect(await second.size(session, owner)).toBe(6);
    await second.finish(session, owner, body("world"), digestOf("hello world"));
    expect(await store.has(digestOf("hello world"))).toBe(true);
  });

  it("whose bytes became a blob as the server died is no longer known", async () => {
    const store = await open();
    const uploads = new Uploads(store, limits);
    const session = await uploads.begin(owner);
    await uploads.append(session, owner, body("hello"), 0);
    rmSync(join(store.directory, "uploads", session, "data"));
    await expect(new Uploads(store, limits).size(session, owner)).rejects.toMatchObject({
      code: "BLOB_UPLOAD_UNKNOWN",
    });
  });

  it("is its owner's alone", async () => {
    const uploads = new Uploads(await open(), limits);
    const session = await uploads.begin({ repository: "a", user: "ada" });
    for (const other of [
      { repository: "a", user: "bob" },
      { repository: "b", user: "ada" },
      { repository: "a", user: "" },
    ]) {
      const unknown = { code: "BLOB_UPLOAD_UNKNOWN" };
      await expect(uploads.size(session, other)).rejects.toMatchObject(unknown);
      await expect(uploads.append(session, other, body("x"), 0)).rejects.toMatchObject(unknown);
      await expect(uploads.finish(session, other, body(), digestOf(""))).rejects.toMatchObject(unknown);
      await expect(uploads.cancel(session, other)).rejects.toMatchObject(unknown);
    }
    expect(await uploads.size(session, { repository: "a", user: "ada" })).toBe(0);
  });

  it("takes a chunk only where the last one ended", async () => {
    const uploads = new Uploads(await open(), limits);
    const session = await uploads.begin(owner);
    await uploads.append(session, owner, body("hello"), 0);
    for (const at of [0, 4, 6]) {
      await expect(uploads.append(session, owner, body("x"), at)).rejects.toMatchObject({
        code: "RANGE_INVALID",
        headers: { range: "0-4" },
      });
    }
    expect(await uploads.append(session, owner, body("!"), 5)).toBe(6);
  });

  it("takes one request at a time", async () => {
    const uploads = new Uploads(await open(), limits);
    const session = await uploads.begin(owner);
    let go = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    let begin = (): void => undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    async function* slow(): AsyncGenerator<Uint8Array> {
      begin();
      yield Buffer.from("a");
      await gate;
    }
    const first = uploads.append(session, owner, slow(), 0);
    await begun;
    await expect(uploads.append(session, owner, body("b"), undefined)).rejects.toMatchObject({
      code: "TOOMANYREQUESTS",
    });
    go();
    expect(await first).toBe(1);
  });

  it("with another digest than it should have leaves no blob", async () => {
    const store = await open();
    const uploads = new Uploads(store, limits);
    const session = await uploads.begin(owner);
    await expect(uploads.finish(session, owner, body("hello"), digestOf("other"))).rejects.toMatchObject({
      code: "DIGEST_INVALID",
    });
    expect(await store.has(digestOf("other"))).toBe(false);
    expect(await store.has(digestOf("hello"))).toBe(false);
  });

  it("is bounded, in bytes and in number", async () => {
    const uploads = new Uploads(await open(), limits);
    const session = await uploads.begin(owner);
    await expect(uploads.append(session, owner, body("x".repeat(1001)), 0)).rejects.toMatchObject({
      code: "SIZE_INVALID",
    });
    // What came in of it is not kept.
    expect(await uploads.count()).toBe(0);
    expect(() => uploads.mayBegin(1001)).toThrow(/at most 1000 bytes/);
    for (let begun = 0; begun < 3; begun++) await uploads.begin(owner);
    await expect(uploads.begin(owner)).rejects.toMatchObject({ code: "TOOMANYREQUESTS" });
  });

  it("that was begun and left makes room where there are too many", async () => {
    const store = await open();
    const uploads = new Uploads(store, limits);
    const sessions = [await uploads.begin(owner), await uploads.begin(owner), await uploads.begin(owner)];
    const [left = "", ...others] = sessions;
    const before = new Date(Date.now() - 6 * 60 * 1000);
    utimesSync(join(store.directory, "uploads", left, "data"), before, before);
    await uploads.begin(owner);
    await expect(uploads.size(left, owner)).rejects.toMatchObject({ code: "BLOB_UPLOAD_UNKNOWN" });
    for (const session of others) expect(await uploads.size(session, owner)).toBe(0);
  });

  it("is thrown away with the bytes that are not what they were said to be", async () => {
    const uploads = new Uploads(await open(), limits);
    const session = await uploads.begin(owner, "sha512");
    const wrong = uploads.finish(session, owner, body("hello"), digestOf("other", "sha512"));
    await expect(wrong).rejects.toMatchObject({ code: "DIGEST_INVALID" });
    expect(await uploads.count()).toBe(0);
  });

  it("that nobody touched for a day is thrown away, and no other", async () => {
    const store = await open();
    const uploads = new Uploads(store, limits);
    await uploads.begin(owner);
    await uploads.expire();
    expect(await uploads.count()).toBe(1);
    await uploads.expire(Date.now() + 25 * 60 * 60 * 1000);
    expect(await uploads.count()).toBe(0);
  });

  it("that is cancelled leaves nothing", async () => {
    const store = await open();
    const uploads = new Uploads(store, limits);
    const session = await uploads.begin(owner);
    await uploads.append(session, owner, body("x"), 0);
    await uploads.cancel(session, owner);
    expect(existsSync(join(store.directory, "uploads"))).toBe(true);
    expect(readdirSync(join(store.directory, "uploads"))).toEqual([]);
  });

  it("is the same blob, however it was cut", async () => {
    const store = await open();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ maxLength: 20 }), { maxLength: 6 }), async (chunks) => {
        let uploads = new Uploads(store, limits);
        const session = await uploads.begin(owner);
        for (const [index, chunk] of chunks.entries()) {
          if (index % 2 === 1) uploads = new Uploads(store, limits);
          await uploads.append(session, owner, body(chunk), undefined);
        }
        const digest = digestOf(chunks.join(""));
        await uploads.finish(session, owner, body(), digest);
        expect(await store.has(digest)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
});

it.each([
  [0, "0-0"],
  [1, "0-0"],
  [2, "0-1"],
])("%i bytes are the range %s", (size, range) => {
  expect(rangeHeader(size)).toBe(range);
});
