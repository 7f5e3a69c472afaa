import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { mediaTypes, reachable } from "../image/index.ts";
import { bytesContent, digestHex, quietWork, readText, sha256 } from "../io/index.ts";
import { openCache } from "./cache.ts";
import { sampleImage, sampleIndex, sampleReasons } from "./sample-image.contract.ts";
import { openStore, type Store } from "./store.ts";
import { temporaryDirectory } from "./temporary.contract.ts";
import type { Problem } from "./verify.ts";

const newStore = (): Promise<Store> => openStore(join(temporaryDirectory(), "store"), { create: true });

async function problems(store: Store): Promise<Problem[]> {
  const found: Problem[] = [];
  for await (const problem of store.verify(quietWork)) found.push(problem);
  return found;
}

describe("openStore", () => {
  it("makes an image layout", async () => {
    const store = await newStore();
    expect(JSON.parse(readFileSync(join(store.directory, "oci-layout"), "utf8"))).toEqual({
      imageLayoutVersion: "1.0.0",
    });
    expect(JSON.parse(readFileSync(join(store.directory, "index.json"), "utf8"))).toEqual({
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      manifests: [],
    });
    expect(await problems(store)).toEqual([]);
  });

  it("says that there is none", async () => {
    await expect(openStore(join(temporaryDirectory(), "none"))).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("does not take over a directory of somebody else's", async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "thesis.txt"), "");
    await expect(openStore(directory, { create: true })).rejects.toMatchObject({ code: "STORE_INVALID" });
    expect(readdirSync(directory)).toEqual(["thesis.txt"]);
  });

  it("refuses another version of the layout", async () => {
    const directory = temporaryDirectory();
    for (const text of ['{"imageLayoutVersion":"2.0.0"}', "", "null", '{"imageLayoutVersion": 1.0.0}']) {
      writeFileSync(join(directory, "oci-layout"), text);
      await expect(openStore(directory, { create: true })).rejects.toMatchObject({ code: "STORE_INVALID" });
    }
  });

  it("does not read a marker or an index without end", async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "oci-layout"), "");
    truncateSync(join(directory, "oci-layout"), 2 ** 40);
    await expect(openStore(directory)).rejects.toMatchObject({ code: "STORE_INVALID" });
    const store = await newStore();
    truncateSync(join(store.directory, "index.json"), 2 ** 40);
    await expect(store.list()).rejects.toMatchObject({ code: "STORE_INVALID" });
  });

  it("opens one store in many places at once", async () => {
    const directory = join(temporaryDirectory(), "store");
    const stores = await Promise.all(Array.from({ length: 8 }, () => openStore(directory, { create: true })));
    for (const store of stores) expect(await store.list()).toEqual([]);
  });
});

describe("blobs", () => {
  it("are named by what they are", async () => {
    const store = await newStore();
    const added = await store.add(bytesContent("hello").open());
    expect(added).toEqual({ digest: sha256("hello"), size: 5 });
    expect(await store.has(added.digest)).toBe(true);
    const content = await store.content(added.digest);
    expect(await readText(content!)).toBe("hello");
    expect(await store.content(sha256("other"))).toBeUndefined();
  });

  it("grow in a file that is told of, and gone with its name when they are whole or given up", async () => {
    const store = await newStore();
    const told: string[] = [];
    const growing = (file: string): void => void told.push(file);
    const seen: string[] = [];
    async function* stream(text: string): AsyncGenerator<Uint8Array> {
      yield Buffer.from(text.slice(0, 3));
      seen.push(readFileSync(told.at(-1) ?? "", "utf8"));
      yield Buffer.from(text.slice(3));
    }
    // The second time it is there already, the third time it is not what was promised.
    await store.add(stream("hello"), { growing });
    await store.add(stream("hello"), { growing });
    await expect(store.add(stream("hello"), { size: 9, growing })).rejects.toThrow();
    expect(seen).toEqual(["hel", "hel", "hel"]);
    expect(told.filter((file) => existsSync(file))).toEqual([]);
  });

  it("leave nothing when they are not what was promised", async () => {
    const store = await newStore();
    const wrong = [
      { digest: sha256("other") },
      { size: 4 },
      { size: 6 },
      { digest: sha256("hello"), size: 9 },
    ];
    for (const expected of wrong) {
      await expect(store.add(bytesContent("hello").open(), expected)).rejects.toMatchObject({
        code: "DIGEST_MISMATCH",
      });
    }
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from("half");
      throw new Error("the line went dead");
    };
    await expect(store.add(failing())).rejects.toThrow("the line went dead");
    expect(readdirSync(join(store.directory, "blobs", "sha256"))).toEqual([]);
    expect(readdirSync(join(store.directory, "tmp"))).toEqual([]);
  });

  it("are not read again when they are there", async () => {
    const store = await newStore();
    const { digest } = await store.add(bytesContent("hello").open());
    const never: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => {
        throw new Error("read");
      },
    };
    expect(await store.add(never, { digest, size: 5 })).toEqual({ digest, size: 5 });
  });

  it("prove themselves when they are read", async () => {
    const store = await newStore();
    const { digest } = await store.add(bytesContent("hello").open());
    const path = join(store.directory, "blobs", "sha256", digestHex(digest));
    writeFileSync(path, "hellO");
    await expect(readText((await store.content(digest))!)).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
    await expect(store.blob({ mediaType: "a/b", digest, size: 6 })).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
    });
    await expect(store.blob({ mediaType: "a/b", digest: sha256("x"), size: 1 })).rejects.toMatchObject({
      code: "STORE_INVALID",
    });
  });
});

describe("names", () => {
  it("stand for images, however they are spelled", async () => {
    const store = await newStore();
    const image = await sampleImage(store);
    await store.tag("bar/s0:1", image);
    await store.tag("docker.io/library/x", image);
    expect(await store.resolve("docker.io/bar/s0:1")).toEqual(image);
    expect(await store.resolve("x:latest")).toEqual(image);
    expect(await store.resolve(`whatever@${image.digest}`)).toEqual(image);
    expect(await store.resolve(image.digest)).toEqual(image);
    expect(await store.resolve(digestHex(image.digest).slice(0, 12))).toEqual(image);
    expect(await store.resolve(image.digest.slice(0, 20))).toEqual(image);
    expect(await store.resolve("bar/s0:2")).toBeUndefined();
    expect(await store.resolve("0000")).toBeUndefined();
    expect((await store.list()).map((item) => item.reference)).toEqual(["bar/s0:1", "x:latest"]);
    const again = await openStore(store.directory);
    expect(await again.list()).toEqual(await store.list());
  });

  it("are not written again when nothing changes", async () => {
    const store = await newStore();
    const image = await sampleImage(store);
    await store.tag("x", image);
    const reasons = await sampleReasons(store, image);
    await store.attach(reasons);
    const path = join(store.directory, "index.json");
    utimesSync(path, 1, 1);
    const before = statSync(path, { bigint: true });
    await store.tag("x", image);
    await store.attach(reasons);
    await store.attach(reasons, { replace: true });
    expect(statSync(path, { bigint: true })).toMatchObject({ ino: before.ino, mtimeNs: before.mtimeNs });
  });

  it("move and go", async () => {
    const store = await newStore();
    const [first, second] = [await sampleImage(store), await sampleImage(store, "linux/arm64")];
    await store.tag("x", first);
    await store.tag("x", second);
    expect(await store.list()).toEqual([{ reference: "x:latest", descriptor: second }]);
    expect(await store.untag("x")).toEqual(second);
    expect(await store.untag("x")).toBeUndefined();
    expect(await store.list()).toEqual([]);
  });

  it("never stand for something that is not there entirely", async () => {
    const store = await newStore();
    const index = await sampleIndex(store);
    await store.tag("x", index);
    for await (const item of reachable(store, index)) {
      const other = await newStore();
      for await (const copied of reachable(store, index)) {
        if (copied.digest !== item.digest) await other.add((await store.blob(copied)).open());
      }
      await expect(other.tag("x", index)).rejects.toMatchObject({ code: "STORE_INVALID" });
      expect(await other.list()).toEqual([]);
    }
  });

  it("find an image inside an index, with its platform", async () => {
    const store = await newStore();
    const index = await sampleIndex(store);
    await store.tag("x", index);
    const arm = await sampleImage(store, "linux/arm64", "arm");
    expect(await store.resolve(arm.digest)).toEqual(arm);
    await store.untag("x");
    const { platform: _platform, ...plain } = arm;
    expect(await store.resolve(arm.digest)).toEqual(plain);
  });

  it("ask back when a prefix fits two digests", async () => {
    const store = await newStore();
    const digests: string[] = [];
    for (let i = 0; new Set(digests.map((digest) => digest.slice(7, 8))).size === digests.length; i++) {
      const image = await sampleImage(store, "linux/amd64", String(i));
      await store.tag(`x:${i}`, image);
      digests.push(image.digest);
    }
    // Four digits are needed, so two with one first digit do not clash yet.
    expect(await store.resolve(digests[0]!.slice(7, 13))).toMatchObject({ digest: digests[0] });
  });
});

describe("referrers", () => {
  it("are found by subject and type, and never by name", async () => {
    const store = await newStore();
    const image = await sampleImage(store);
    await store.tag("x", image);
    const reasons = await sampleReasons(store, image);
    await store.attach(reasons);
    expect(await store.referrers(image.digest)).toEqual([reasons]);
    expect(await store.referrers(image.digest, mediaTypes.reasons)).toEqual([reasons]);
    expect(await store.referrers(image.digest, "other/type")).toEqual([]);
    expect(await store.referrers(reasons.digest)).toEqual([]);
    expect(await store.list()).toHaveLength(1);
    const newer = await sampleReasons(store, image, '{"newer":true}');
    await store.attach(newer, { replace: true });
    expect(await store.referrers(image.digest)).toEqual([newer]);
  });

  it("need a subject", async () => {
    const store = await newStore();
    await expect(store.attach(await sampleImage(store))).rejects.toMatchObject({ code: "IMAGE_INVALID" });
  });
});

describe("garbage collection", () => {
  const all = { keepYoungerThan: -1000 };

  it("keeps what names, referrers and cache records lead to", async () => {
    const store = await newStore();
    const index = await sampleIndex(store);
    await store.tag("x", index);
    const reasons = await sampleReasons(store, index);
    await store.attach(reasons);
    await store.attach(await sampleReasons(store, reasons, "about reasons"));
    const cached = await sampleImage(store, "linux/s390x");
    await openCache(store.directory).set(sha256("key"), "value", { blobs: [cached.digest] });
    const before = await store.usage();
    expect(await store.gc(quietWork, all)).toMatchObject({ removed: [], bytes: 0 });
    expect(await store.usage()).toEqual(before);
  });

  it("removes the rest, once it is old enough", async () => {
    const store = await newStore();
    const kept = await sampleImage(store);
    const gone = await sampleImage(store, "linux/s390x");
    const reasons = await sampleReasons(store, gone);
    await store.tag("kept", kept);
    await store.tag("gone", gone);
    await store.attach(reasons);
    await store.untag("gone");
    writeFileSync(join(store.directory, "tmp", "left-by-a-killed-process"), "12345");
    expect(await store.gc(quietWork)).toMatchObject({ removed: [], detached: 0 });
    const told = await store.gc(quietWork, { ...all, dryRun: true });
    expect(told.detached).toBe(1);
    const done = await store.gc(quietWork, all);
    expect(done).toEqual(told);
    expect(done.removed).toContain(gone.digest);
    expect(done.removed).toContain(reasons.digest);
    expect(done.bytes).toBeGreaterThan(5);
    expect(await store.referrers(gone.digest)).toEqual([]);
    expect(readdirSync(join(store.directory, "tmp"))).toEqual([]);
    expect(await problems(store)).toEqual([]);
    expect(await store.resolve("kept")).toEqual(kept);
  });

  it("can be about certain blobs only", async () => {
    const store = await newStore();
    const [kept, gone] = [await sampleImage(store), await sampleImage(store, "linux/s390x")];
    const other = await store.add(bytesContent("another build's").open());
    await store.tag("kept", kept);
    await openCache(store.directory).set(sha256("key"), 1, { blobs: [gone.digest, kept.digest] });
    const among = new Set<string>();
    for (const image of [kept, gone])
      for await (const item of reachable(store, image)) among.add(item.digest);
    const done = await store.gc(quietWork, { among });
    expect(done.cacheRecords).toBe(1);
    expect(done.removed).toContain(gone.digest);
    expect(await store.has(other.digest)).toBe(true);
    expect(await problems(store)).toEqual([]);
    expect(await store.resolve("kept")).toEqual(kept);
  });

  it("does not let a damaged image hide what the others need", async () => {
    const store = await newStore();
    const index = await sampleIndex(store);
    await store.tag("x", index);
    const broken = await sampleImage(store, "linux/amd64", "");
    writeFileSync(join(store.directory, "blobs", "sha256", digestHex(broken.digest)), "{");
    const other = await sampleImage(store, "linux/arm64", "arm");
    await store.gc(quietWork, all);
    for await (const item of reachable(store, other)) expect(await store.has(item.digest)).toBe(true);
  });

  it("forgets cache records that nobody used", async () => {
    const store = await newStore();
    const cache = openCache(store.directory);
    const { digest } = await store.add(bytesContent("only cached").open());
    await cache.set(sha256("key"), 1, { blobs: [digest] });
    const done = await store.gc(quietWork, { ...all, keepCacheFor: -1000 });
    expect(done).toMatchObject({ cacheRecords: 1, removed: [digest] });
    expect(await cache.get(sha256("key"))).toBeUndefined();
  });
});

describe("verify", () => {
  it("finds every kind of damage to every blob", async () => {
    const store = await newStore();
    const index = await sampleIndex(store);
    await store.tag("x", index);
    for await (const item of reachable(store, index)) {
      const path = join(store.directory, "blobs", "sha256", digestHex(item.digest));
      const good = readFileSync(path);
      const flipped = Buffer.from(good);
      flipped[Math.floor(good.length / 2)]! ^= 1;
      for (const bad of [
        flipped,
        good.subarray(0, -1),
        Buffer.concat([good, Buffer.from("x")]),
        Buffer.alloc(0),
      ]) {
        writeFileSync(path, bad);
        const found = await problems(store);
        expect(
          found.some((problem) => problem.digest === item.digest || problem.reference === "x:latest"),
        ).toBe(true);
      }
      writeFileSync(path, good);
    }
    expect(await problems(store)).toEqual([]);
  });

  it("reports a broken index instead of failing", async () => {
    const store = await newStore();
    writeFileSync(join(store.directory, "index.json"), "{");
    expect(await problems(store)).toHaveLength(1);
    await expect(store.list()).rejects.toMatchObject({ code: "IMAGE_INVALID" });
  });
});

describe("the cache", () => {
  it("remembers values by key", async () => {
    const directory = temporaryDirectory();
    const cache = openCache(directory);
    const key = sha256("key");
    expect(await cache.get(key)).toBeUndefined();
    await cache.set(key, { a: [1, null, "ü"] });
    expect(await cache.get(key)).toEqual({ a: [1, null, "ü"] });
    await cache.set(key, 2);
    expect(await openCache(directory).get(key)).toBe(2);
    await cache.delete(key);
    expect(await cache.get(key)).toBeUndefined();
  });

  it("takes damage for ignorance, whichever byte it hits", async () => {
    const directory = temporaryDirectory();
    const cache = openCache(directory);
    const key = sha256("key");
    await cache.set(key, { answer: 42 });
    const path = join(directory, "cache", digestHex(key).slice(0, 2), digestHex(key));
    expect(existsSync(path)).toBe(true);
    const good = readFileSync(path);
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad[at]! ^= 1;
      writeFileSync(path, bad);
      expect(await cache.get(key)).toBeUndefined();
      writeFileSync(path, good.subarray(0, at));
      expect(await cache.get(key)).toBeUndefined();
    }
    const elsewhere = sha256("another key");
    const other = join(directory, "cache", digestHex(elsewhere).slice(0, 2), digestHex(elsewhere));
    mkdirSync(join(other, ".."), { recursive: true });
    writeFileSync(other, good);
    expect(await cache.get(elsewhere)).toBeUndefined();
  });
});
