// Run as a process of its own by store-processes.test.ts: MODE STORE SEED.
import { bytesContent, quietWork, sha256, WhittleError } from "../io/index.ts";
import { openCache } from "./cache.ts";
import { sampleImage, sampleIndex, sampleReasons } from "./sample-image.contract.ts";
import { openStore, type Store } from "./store.ts";

async function hammer(store: Store, seed: string, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const image =
      round % 3 === 0
        ? await sampleIndex(store, String(round % 5))
        : await sampleImage(store, "linux/amd64", `${seed}${round}`);
    await store.tag(`own/${seed}:${round % 4}`, image);
    await store.tag("shared:1", image);
    await store.attach(await sampleReasons(store, image), { replace: true });
    await openCache(store.directory).set(sha256(`${seed}${round % 4}`), round, { blobs: [image.digest] });
    if (round % 4 === 3) await store.untag(`own/${seed}:${round % 3}`);
    if (round % 5 === 4) await store.gc(quietWork);
    process.stdout.write(".");
  }
}

async function write(store: Store): Promise<void> {
  await store.add(bytesContent(Buffer.alloc(8 * 1024 * 1024, "x")).open());
}

const [mode = "", directory = "", seed = ""] = process.argv.slice(2);
try {
  const store = await openStore(directory, { create: mode !== "read" });
  if (mode === "hammer") await hammer(store, seed, 12);
  else if (mode === "endless") await hammer(store, seed, Number.POSITIVE_INFINITY);
  else if (mode === "write") await write(store);
  else if (mode === "tag") await store.tag("y", (await store.resolve("x")) ?? (await sampleImage(store)));
  process.stdout.write(JSON.stringify(await store.list()));
} catch (error) {
  if (!(error instanceof WhittleError)) throw error;
  process.stdout.write(error.code);
  process.exitCode = error.status;
}
