import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheDirectory } from "../src/io/index.ts";
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
  /** An empty store, as on the first build of an image; what packages came to before is still in the cache. */
  emptyStore(): Promise<void>;
  /** An empty store, and a cache with downloads and nothing that was made of them. */
  onlyDownloads(): Promise<void>;
  /** A build with the cache of {@link onlyDownloads}. */
  whittleFirst(...words: string[]): Command;
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
  const freshCache = join(directory, "cache");
  const emptyStore = (): Promise<void> => rm(store, { recursive: true, force: true });
  const whittle: Workplace["whittle"] = (...words) => ({
    words: [process.execPath, join(root, "dist/whittle.js"), ...words],
    environment: { WHITTLE_STORE: store },
    directory,
  });
  return {
    directory,
    example,
    store,
    whittle,
    whittleFirst: (...words) => ({
      ...whittle(...words),
      environment: { WHITTLE_STORE: store, XDG_CACHE_HOME: freshCache },
    }),
    emptyStore,
    onlyDownloads: async () => {
      await emptyStore();
      await rm(freshCache, { recursive: true, force: true });
      const debian = join(freshCache, "whittle/debian");
      await mkdir(debian, { recursive: true });
      for (const name of ["indexes", "packages", "releases"]) {
        await symlink(join(cacheDirectory(), "debian", name), join(debian, name));
      }
    },
    touch: (round) =>
      writeFile(join(example, "api/health.json"), `${JSON.stringify({ round, at: Date.now() })}\n`),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
