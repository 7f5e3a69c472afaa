import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { quietWork } from "../io/index.ts";
import { openCache } from "./cache.ts";
import { sampleImage } from "./sample-image.contract.ts";
import { openStore, type Store } from "./store.ts";
import { temporaryDirectory } from "./temporary.contract.ts";

const script = fileURLToPath(new URL("./process.contract.ts", import.meta.url));
const isRoot = process.getuid?.() === 0;
const nobody = 65534;

function start(mode: string, directory: string, seed: string, user = process.getuid?.() ?? 0): ChildProcess {
  return spawn(process.execPath, [script, mode, directory, seed], {
    stdio: ["ignore", "pipe", "pipe"],
    ...(isRoot ? { uid: user, gid: user } : {}),
  });
}

/** What a process said, and how it ended. */
function ended(child: ChildProcess): Promise<{ status: number | null; out: string; err: string }> {
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, out, err }));
  });
}

async function expectWhole(store: Store): Promise<void> {
  for await (const problem of store.verify(quietWork)) expect(problem).toBeUndefined();
}

// They start many processes; how long that takes is the machine's affair.
const patient = { timeout: 600_000 };

describe("many processes", () => {
  it("share one store without losing a name", patient, async () => {
    const directory = join(temporaryDirectory(), "store");
    const results = await Promise.all(
      ["a", "b", "c", "d"].map((seed) => ended(start("hammer", directory, seed))),
    );
    for (const { status, err } of results) expect({ status, err }).toEqual({ status: 0, err: "" });
    const store = await openStore(directory);
    await expectWhole(store);
    const names = (await store.list()).map((item) => item.reference);
    // In its last round each one wrote own/SEED:3 and took own/SEED:2 away.
    expect(names).toEqual([
      ...["a", "b", "c", "d"].flatMap((seed) => [0, 1, 3].map((round) => `own/${seed}:${round}`)),
      "shared:1",
    ]);
    await store.gc(quietWork, { keepYoungerThan: -1000, keepCacheFor: -1000 });
    await expectWhole(store);
    expect((await store.list()).map((item) => item.reference)).toEqual(names);
  });

  it("may be killed at any instant, and leave a store that is whole", patient, async () => {
    const directory = join(temporaryDirectory(), "store");
    const random = pseudoRandom(20_261_121);
    for (let round = 0; round < 12; round++) {
      const child = start("endless", directory, String(round));
      const end = ended(child);
      // Some die while they start, some while they make the store, most in the middle of a change.
      await Promise.race([new Promise((resolve) => setTimeout(resolve, 100 + random() * 500)), end]);
      child.kill("SIGKILL");
      expect((await end).err).toBe("");
      await expectWhole(await openStore(directory, { create: true }));
    }
    const store = await openStore(directory);
    await store.tag("after", await sampleImage(store));
    await store.gc(quietWork, { keepYoungerThan: -1000 });
    expect(readdirSync(join(directory, "tmp"))).toEqual([]);
    await expectWhole(store);
    await openCache(directory).set(`sha256:${"0".repeat(64)}`, 1);
  });
});

/** Numbers from 0 to 1, the same in every run. */
function pseudoRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("a store that cannot be written", () => {
  it("is read by others, and says why it does not change", async () => {
    const directory = temporaryDirectory();
    const store = await openStore(join(directory, "store"), { create: true });
    await store.tag("x", await sampleImage(store));
    chmodSync(directory, 0o755);
    const readOnly = ["", "blobs/sha256", "tmp", "lock"].map((part) => join(store.directory, part));
    if (!isRoot) for (const path of readOnly) chmodSync(path, 0o555);
    const [read, tag, write] = await Promise.all(
      ["read", "tag", "write"].map((mode) => ended(start(mode, store.directory, "", nobody))),
    );
    if (!isRoot) for (const path of readOnly) chmodSync(path, 0o755);
    expect(read).toMatchObject({ status: 0, out: expect.stringContaining("x:latest"), err: "" });
    expect(tag).toMatchObject({ status: 3, out: "PERMISSION", err: "" });
    expect(write).toMatchObject({ status: 3, out: "PERMISSION", err: "" });
    const none = await ended(start("write", join(directory, "new"), "", isRoot ? nobody : undefined));
    if (isRoot) expect(none).toMatchObject({ status: 3, out: "PERMISSION", err: "" });
  });
});

describe.runIf(isRoot)("a full disk", () => {
  it("is reported, and leaves nothing half-written", async () => {
    const directory = temporaryDirectory();
    const mountPoint = join(directory, "small");
    mkdirSync(mountPoint);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", mountPoint], {
      encoding: "utf8",
    });
    expect(mounted).toMatchObject({ status: 0, stderr: "" });
    onTestFinished(() => void spawnSync("umount", ["-l", mountPoint]));
    const path = join(mountPoint, "store");
    const made = await openStore(path, { create: true });
    const image = await sampleImage(made);
    await made.tag("x", image);
    expect(await ended(start("write", path, ""))).toMatchObject({ status: 3, out: "DISK_FULL", err: "" });
    expect(readdirSync(join(path, "tmp"))).toEqual([]);
    expect(await made.resolve("x")).toEqual(image);
    await expectWhole(made);
    // With not a byte left even a name cannot be written; the old names stay.
    const filler = spawnSync("dd", ["if=/dev/zero", `of=${join(mountPoint, "filler")}`, "bs=4k"], {
      stdio: "ignore",
    });
    expect(filler.status).toBe(1);
    await expect(made.tag("y", image)).rejects.toMatchObject({ code: "DISK_FULL" });
    expect((await made.list()).map((item) => item.reference)).toEqual(["x:latest"]);
    cpSync(path, join(directory, "copy"), { recursive: true });
    await expectWhole(await openStore(join(directory, "copy")));
  });
});
