import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Executor, Solver, type Step } from "../build/index.ts";
import { type ProgressEvent, sha256 } from "../io/index.ts";
import { openStore, type Store } from "../store/index.ts";
import { exportCache } from "./cache-export.ts";
import { importCache } from "./cache-import.ts";
import { outcomeCache } from "./outcomes.ts";

const mebibyte = 1024 * 1024;
const signal = new AbortController().signal;

/** A step of which as much has to be remembered as it says. */
const remembered: Executor = {
  kind: "remembered",
  version: 1,
  cached: true,
  run: async ({ parameters }) => {
    const { size } = parameters as { size: number };
    return { digest: sha256(String(size)), record: "x".repeat(size) };
  },
};

async function build(sizes: readonly number[]) {
  const directory = mkdtempSync(join(tmpdir(), "whittle-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const store: Store = await openStore(join(directory, "store"), { create: true });
  const events: ProgressEvent[] = [];
  const home = {
    store,
    signal,
    environment: {},
    progress: (event: ProgressEvent) => void events.push(event),
  };
  const solver = new Solver({ executors: [remembered], cache: outcomeCache(store, [], home), ...home });
  for (const size of sizes) {
    const step: Step = { kind: "remembered", parameters: { size }, inputs: {} };
    await solver.solve(step);
  }
  const written = join(directory, "cache");
  const exported = (ignoreErrors = false): Promise<void> =>
    exportCache(
      [solver],
      {
        place: { kind: "local", directory: written },
        ...{ mode: "max", imageManifest: true, docker: false, ignoreErrors },
        compression: { type: "gzip" },
      },
      home,
    );
  return { exported, written, directory, home, events };
}

describe("an exported cache", () => {
  it("just below what is read is written, and can be read", async () => {
    const { exported, written, home, events } = await build([2 * mebibyte, 2 * mebibyte - 10_000]);
    await exported();
    expect(await importCache({ kind: "local", directory: written }, home)).toBeDefined();
    expect(events.filter(({ kind }) => kind === "warning")).toEqual([]);
  });

  it("that nobody could read again is refused before anything is written", async () => {
    const { exported, directory } = await build([2 * mebibyte, 2 * mebibyte + 1]);
    await expect(exported()).rejects.toMatchObject({
      code: "IMAGE_INVALID",
      message: expect.stringMatching(
        /^Cannot write the cache .*: its document has 419\d{4} bytes, at most 4194304/,
      ),
    });
    expect(readdirSync(directory)).toEqual(["store"]);
  });

  it("that is refused is a warning where errors are ignored", async () => {
    const { exported, events } = await build([5 * mebibyte]);
    await exported(true);
    expect(events).toContainEqual({
      kind: "warning",
      text: expect.stringMatching(/was not written: .* at most 4194304/),
    });
  });
});
