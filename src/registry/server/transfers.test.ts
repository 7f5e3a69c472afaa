import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { mediaTypes } from "../../image/index.ts";
import { type Digest, quietWork } from "../../io/index.ts";
import { openStore, type Store } from "../../store/index.ts";
import { Transfers } from "./transfers.ts";

const minutes = (count: number): number => count * 60 * 1000;
const begun = Date.now();

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function open(): Promise<Store> {
  const directory = mkdtempSync(join(tmpdir(), "whittle-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return openStore(join(directory, "store"), { create: true });
}

async function blob(store: Store, text: string): Promise<Digest> {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text);
  }
  return (await store.add(bytes())).digest;
}

const at = (minute: number): void => void vi.setSystemTime(begun + minutes(minute));
const collect = async (store: Store): Promise<readonly Digest[]> =>
  (await store.gc(quietWork, { keepYoungerThan: -minutes(10_000) })).removed;

/** Bytes go in or out every half hour; leases are written beside that. */
async function goesOn(transfers: Transfers, from: number, to: number): Promise<void> {
  for (let minute = from; minute <= to; minute += 30) {
    at(minute);
    transfers.goesOn("a");
    await sleep(20);
  }
}

/** Starts the server anew and has bytes go on for two hours; nothing is collected meanwhile. */
async function keptAfterStart(store: Store): Promise<Store> {
  const again = await openStore(store.directory);
  const transfers = new Transfers(again);
  await transfers.restore();
  await goesOn(transfers, 51, 171);
  expect(await collect(again)).toEqual([]);
  return again;
}

describe("what clients are in the middle of", () => {
  it("stays as long as bytes move for their repository, and no longer", async () => {
    const store = await open();
    const transfers = new Transfers(store);
    at(0);
    const [pushed, other] = [await blob(store, "pushed"), await blob(store, "other")];
    await transfers.expect("a", [pushed]);
    await transfers.expect("b", [other]);
    await goesOn(transfers, 0, 300);
    expect(await collect(store)).toEqual([other]);
    at(400);
    expect(await collect(store)).toEqual([pushed]);
  });

  it("stays over a new start of the server: a push", async () => {
    const store = await open();
    at(0);
    const pushed = await blob(store, "pushed");
    await new Transfers(store).expect("a", [pushed]);
    at(50);
    await keptAfterStart(store);
  });

  it("stays over a new start of the server: a pull of what has no name any more", async () => {
    const store = await open();
    at(0);
    const config = { mediaType: "a/b", digest: await blob(store, "layer"), size: 5 };
    const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [config] };
    const digest = await blob(store, JSON.stringify(manifest));
    await new Transfers(store).expect("a", [digest]);
    at(50);
    const again = await keptAfterStart(store);
    expect([await again.has(digest), await again.has(config.digest)]).toEqual([true, true]);
  });

  it("is given up after a day, and when it has a name", async () => {
    const store = await open();
    const transfers = new Transfers(store);
    at(0);
    const [named, abandoned] = [await blob(store, "named"), await blob(store, "abandoned")];
    await transfers.expect("a", [named, abandoned]);
    transfers.named("a", [named]);
    await goesOn(transfers, 0, 120);
    expect(await collect(store)).toEqual([named]);
    await goesOn(transfers, 150, 24 * 60 + 180);
    expect(await collect(store)).toEqual([abandoned]);
  });

  it("is remembered of a bounded number of blobs, those of whom nothing was heard for longest given up first", async () => {
    const store = await open();
    const transfers = new Transfers(store);
    at(0);
    const old = await blob(store, "old");
    const digest = (number: number): Digest => `sha256:${String(number).padStart(64, "0")}`;
    await transfers.expect("b", [old]);
    await transfers.expect(
      "c",
      Array.from({ length: 60_000 }, (_, number) => digest(number)),
    );
    const kept = await blob(store, "kept");
    await transfers.expect("a", [kept, ...Array.from({ length: 50_000 }, (_, number) => digest(number))]);
    at(50);
    transfers.goesOn("b");
    await goesOn(transfers, 50, 51);
    at(70);
    expect(await collect(store)).toEqual([old]);
  });
});
