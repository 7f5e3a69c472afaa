import { readdir, rm, rmdir, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { tryLock } from "../../io/index.ts";

/** Marks something that is kept as used now. */
export async function markUsed(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}

// A build that runs now may be about to read what it has checked out.
const anHour = 3_600_000;

/**
 * Removes the repositories and checkouts that were of no use for so many milliseconds, at least an hour.
 *
 * @returns how many there are of both
 */
export async function collectGit(
  cacheDirectory: string,
  { keepFor, dryRun = false }: { readonly keepFor: number; readonly dryRun?: boolean },
): Promise<number> {
  const all = join(cacheDirectory, "git");
  const files = join(all, "files");
  const isOld = async (path: string): Promise<boolean> => {
    const about = await stat(path).catch(() => undefined);
    return about !== undefined && Date.now() - about.mtimeMs > Math.max(keepFor, anHour);
  };
  let removed = 0;
  for (const name of await readdir(files).catch(() => [] as string[])) {
    const place = join(files, name);
    if (!(await isOld(place))) continue;
    removed++;
    if (!dryRun) await rm(place, { recursive: true, force: true });
  }
  for (const name of await readdir(all).catch(() => [] as string[])) {
    const repository = join(all, name);
    if (!/-sha(?:1|256)$/.test(name) || !(await isOld(repository))) continue;
    const lock = await tryLock(`${repository}.lock`);
    if (lock === undefined) continue;
    removed++;
    if (!dryRun) await rm(repository, { recursive: true, force: true });
    await lock.release();
    await rmdir(`${repository}.lock`).catch(() => undefined);
  }
  return removed;
}
