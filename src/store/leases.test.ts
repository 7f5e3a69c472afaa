import { appendFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Digest, quietWork, sha256 } from "../io/index.ts";
import { leased } from "./leases.ts";
import { sampleImage } from "./sample-image.contract.ts";
import { openStore, type Store } from "./store.ts";
import { temporaryDirectory } from "./temporary.contract.ts";

const everything = { keepYoungerThan: -1000, keepCacheFor: -1000 };
const openNew = (): Promise<Store> => openStore(join(temporaryDirectory(), "store"), { create: true });

async function blob(store: Store, text: string): Promise<Digest> {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text);
  }
  return (await store.add(bytes())).digest;
}

describe("a lease", () => {
  it("keeps a blob that nothing names, however young a blob has to be", async () => {
    const store = await openNew();
    const [kept, gone] = [await blob(store, "kept"), await blob(store, "gone")];
    await store.lease([kept]);
    expect((await store.gc(quietWork, everything)).removed).toEqual([gone]);
    expect(await store.has(kept)).toBe(true);
  });

  it("of a manifest keeps what it leads to", async () => {
    const store = await openNew();
    const image = await sampleImage(store);
    await store.lease([image.digest]);
    expect((await store.gc(quietWork, everything)).removed).toEqual([]);
    await store.tag("a:1", image);
    for await (const problem of store.verify(quietWork)) expect(problem).toBeUndefined();
  });

  it("holds for other processes, and after its own has died in the middle of a line", async () => {
    const store = await openNew();
    const kept = await blob(store, "kept");
    await store.lease([kept]);
    const directory = join(store.directory, "leases");
    const [file = ""] = readdirSync(directory).filter((name) => name !== "lock");
    appendFileSync(join(directory, file), `${Date.now() + 1_000_000} sha256:abc`);
    const other = await openStore(store.directory);
    expect((await other.gc(quietWork, everything)).removed).toEqual([]);
  });

  it("that cannot be had is told of by the store's name and not by its lock's", async () => {
    const directory = join(temporaryDirectory(), "store");
    const store = await openStore(directory, { create: true });
    // A file where a directory is wanted stops root too.
    mkdirSync(join(directory, "leases"));
    writeFileSync(join(directory, "leases/lock"), "");
    await expect(store.lease([sha256("a")])).rejects.toThrow(`Cannot keep blobs in the store ${directory}`);
    await expect(store.gc(quietWork)).rejects.toThrow(`Cannot delete anything in the store ${directory}`);
    const other = temporaryDirectory();
    writeFileSync(join(other, "lock"), "");
    await expect(openStore(other, { create: true })).rejects.toThrow(`Cannot make the store ${other}`);
  });

  it("ends after an hour", async () => {
    const store = await openNew();
    const digest = await blob(store, "x");
    await store.lease([digest]);
    const hour = 60 * 60 * 1000;
    expect([...(await leased(store.directory, Date.now() + hour - 10_000))]).toEqual([digest]);
    expect([...(await leased(store.directory, Date.now() + hour + 1000))]).toEqual([]);
  });

  it("is written once for many who ask at the same time, and not again soon", async () => {
    const store = await openNew();
    const digests = await Promise.all(["a", "b", "c"].map((text) => blob(store, text)));
    await Promise.all(Array.from({ length: 200 }, (_, at) => store.lease([digests[at % 3] ?? "sha256:"])));
    await store.lease(digests);
    expect([...(await leased(store.directory))].sort()).toEqual([...digests].sort());
  });

  it("of each of very many blobs holds, in files of which none grows without end", async () => {
    const store = await openNew();
    const digest = (at: number): Digest => `sha256:${String(at).padStart(64, "0")}`;
    for (let round = 0; round < 5; round++) {
      await store.lease(Array.from({ length: 30_000 }, (_, at) => digest(round * 30_000 + (at >> 1) * 2)));
    }
    expect((await leased(store.directory)).size).toBe(75_000);
    const files = readdirSync(join(store.directory, "leases")).filter((name) => name !== "lock");
    expect(files).toHaveLength(2);
  });

  it("that was taken before looking for a blob is right about it, while garbage is collected all the time", async () => {
    const store = await openNew();
    let collecting = true;
    const collector = (async () => {
      const other = await openStore(store.directory);
      while (collecting) await other.gc(quietWork, everything);
    })();
    for (let round = 0; round < 60; round++) {
      const digest = await blob(store, `round ${round}`);
      await store.lease([digest]);
      if (!(await store.has(digest))) continue;
      await new Promise((resolve) => setTimeout(resolve, 3));
      expect(await store.has(digest)).toBe(true);
    }
    collecting = false;
    await collector;
  });
});
