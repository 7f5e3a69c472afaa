import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "./measure.ts";

const root = join(import.meta.dirname, "..");

/** A place of its own for one benchmark: copies of the example, stores, and a download cache that stays warm. */
export interface Workplace {
  readonly directory: string;
  /** The example's copy, which cases may edit. */
  readonly example: string;
  readonly store: string;
  /** A build of the example by the bundled program. */
  whittle(...words: string[]): Command;
  /** An empty store, as on the first build. */
  emptyStore(): Promise<void>;
  /** Writes one JSON file of the example so that it differs from before. */
  touch(round: number): Promise<void>;
  remove(): Promise<void>;
}

/** Makes a workplace; peers that run in a root of their own find it under `within`. */
export async function makeWorkplace(within = tmpdir()): Promise<Workplace> {
  await mkdir(within, { recursive: true });
  const directory = await mkdtemp(join(within, "whittle-bench-"));
  const example = join(directory, "api-simulator");
  const store = join(directory, "store");
  await cp(join(root, "examples/api-simulator"), example, { recursive: true });
  await cp(join(root, "bench/peers/api-simulator.Dockerfile"), join(example, "Dockerfile"));
  await cp(join(root, "bench/peers/nginx.conf"), join(example, "nginx.conf"));
  return {
    directory,
    example,
    store,
    whittle: (...words) => ({
      words: [process.execPath, join(root, "dist/whittle.js"), ...words],
      environment: { WHITTLE_STORE: store },
      directory,
    }),
    emptyStore: () => rm(store, { recursive: true, force: true }),
    touch: (round) =>
      writeFile(join(example, "api/health.json"), `${JSON.stringify({ round, at: Date.now() })}\n`),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
