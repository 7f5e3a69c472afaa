import { lstat, readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { cacheDirectory, type Environment, tryLock } from "../io/index.ts";
import { removeDirectoryAs } from "./fill.ts";
import { choosePrivilege } from "./privilege.ts";

/** What collecting came to. */
export interface CollectedCaches {
  /** How many caches are gone. */
  readonly removed: number;
  /** What they took on disk, as far as this user can see. */
  readonly bytes: number;
}

/** What goes. */
export interface CollectCachesOptions {
  /** What was of no use for so many milliseconds. */
  readonly keepFor: number;
  /** Only tell what would go. */
  readonly dryRun?: boolean;
}

/** Removes the caches of steps that nobody is using and nobody has used for long; see {@link holdCache}. */
export async function collectCaches(
  environment: Environment,
  { keepFor, dryRun = false }: CollectCachesOptions,
): Promise<CollectedCaches> {
  const privilege = await choosePrivilege(environment);
  const all = join(cacheDirectory(environment), "mounts");
  let [removed, bytes] = [0, 0];
  for (const name of await namesIn(all)) {
    const directory = join(all, name);
    for (const copy of (await namesIn(directory)).filter((entry) => /^\d+$/.test(entry))) {
      const place = join(directory, copy);
      const lock = await tryLock(`${place}.lock`);
      if (lock === undefined) continue;
      try {
        const used = (await lstat(place).catch(() => undefined))?.mtimeMs ?? 0;
        if (Date.now() - used < keepFor) continue;
        removed++;
        bytes += await sizeOnDisk(place);
        if (dryRun) continue;
        const unfinished = (await namesIn(directory)).filter(
          (entry) => entry.startsWith(`${copy}.`) && entry.endsWith(".tmp"),
        );
        for (const entry of [copy, ...unfinished]) await removeDirectoryAs(join(directory, entry), privilege);
      } finally {
        await lock.release();
      }
      // Not where somebody waits for it.
      await rmdir(`${place}.lock`).catch(() => undefined);
    }
    if (!dryRun) await rmdir(directory).catch(() => undefined);
  }
  return { removed, bytes };
}

function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}

async function sizeOnDisk(path: string): Promise<number> {
  const about = await lstat(path).catch(() => undefined);
  if (about === undefined) return 0;
  let bytes = about.blocks * 512;
  if (!about.isDirectory()) return bytes;
  for (const name of await namesIn(path)) bytes += await sizeOnDisk(join(path, name));
  return bytes;
}
