import { lstat, readdir, readFile, readlink, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Environment, runtimeDirectory } from "../io/index.ts";
import { removeDirectoryAs } from "./fill.ts";
import { choosePrivilege, type Privilege } from "./privilege.ts";
import { snapshotsDirectory, unfinishedSuffix } from "./snapshot-place.ts";
import { stepsDirectory } from "./step-directory.ts";

/** What may stay; what was used within the hour stays in any case. */
export interface PruneOptions {
  /** What was not used for so many milliseconds goes (default: 30 days). */
  readonly keepFor?: number;
  /** The ones that were used last stay as long as they take no more bytes together (default: 10 GiB). */
  readonly keepBytes?: number;
  /** Only tell what would go. */
  readonly dryRun?: boolean;
}

/** What was removed, or would have been. */
export interface Pruned {
  readonly snapshots: number;
  readonly bytes: number;
}

const hour = 3_600_000;
const day = 24 * hour;
const usual = { keepFor: 30 * day, keepBytes: 10 * 1024 ** 3 };

interface Found {
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly used: number;
  readonly bytes: number;
}

/**
 * Removes file trees that were made real for containers and builds and have not been used for longest. What a
 * container or a running step stands on stays.
 */
export async function pruneSnapshots(environment: Environment, options: PruneOptions = {}): Promise<Pruned> {
  const { keepFor, keepBytes, dryRun = false } = { ...usual, ...options };
  const directory = snapshotsDirectory(environment);
  const now = Date.now();
  const youngest = now - hour;
  const used = await placesInUse(environment);
  const privilege = await choosePrivilege(environment);
  let kept = 0;
  let snapshots = 0;
  let bytes = 0;
  for (const found of (await snapshotsIn(directory)).sort((a, b) => b.used - a.used)) {
    const unfinished = found.path.endsWith(unfinishedSuffix);
    const fresh = found.used > now - keepFor && kept + found.bytes <= keepBytes;
    if ((!unfinished && (used.has(found.path) || fresh)) || found.used > youngest) {
      kept += found.bytes;
      continue;
    }
    snapshots++;
    bytes += found.bytes;
    if (!dryRun) await removeSnapshot(found.path, privilege);
  }
  if (!dryRun) await removeLocks(directory, youngest);
  return { snapshots, bytes };
}

async function snapshotsIn(directory: string): Promise<Found[]> {
  const names = await namesIn(directory);
  const found = await Promise.all(
    names
      .filter((name) => !name.startsWith(".") && !name.endsWith(lockSuffix))
      .map(async (name): Promise<Found | undefined> => {
        const path = join(directory, name);
        const about = await stat(path).catch(() => undefined);
        if (about?.isDirectory() !== true) return undefined;
        const size = Number(await readFile(join(path, "size"), "utf8").catch(() => "0"));
        return { path, used: about.mtimeMs, bytes: Number.isFinite(size) ? size : 0 };
      }),
  );
  return found.filter((one) => one !== undefined);
}

/** The snapshots that containers and steps have links to. */
async function placesInUse(environment: Environment): Promise<Set<string>> {
  const links: string[] = [];
  const containers = join(runtimeDirectory(environment), "containers");
  for (const id of await namesIn(containers)) links.push(join(containers, id, "lower"));
  const steps = stepsDirectory(environment);
  for (const id of await namesIn(steps)) {
    const lowers = join(steps, id, "lowers");
    links.push(...(await namesIn(lowers)).map((name) => join(lowers, name)));
  }
  const targets = await Promise.all(links.map((link) => readlink(link).catch(() => undefined)));
  return new Set(targets.flatMap((target) => (target === undefined ? [] : join(target, ".."))));
}

/** Takes its name away first, so that nobody finds half of it. */
async function removeSnapshot(path: string, privilege: Privilege): Promise<void> {
  const going = path.endsWith(unfinishedSuffix) ? path : `${path}.gone${unfinishedSuffix}`;
  try {
    if (going !== path) await rename(path, going);
  } catch {
    // Somebody else removes it.
    return;
  }
  await removeDirectoryAs(going, privilege);
}

const lockSuffix = ".lock";

/** Removes locks that nobody holds, of snapshots that are not there. */
async function removeLocks(directory: string, youngest: number): Promise<void> {
  for (const name of (await namesIn(directory)).filter((one) => one.endsWith(lockSuffix))) {
    const path = join(directory, name);
    const about = await lstat(path).catch(() => undefined);
    const place = path.slice(0, -lockSuffix.length);
    if (about === undefined || about.mtimeMs > youngest || (await lstat(place).catch(() => undefined)))
      continue;
    // A lock that somebody holds or waits for is a directory with something in it.
    await (about.isDirectory() ? rmdir(path) : rm(path)).catch(() => undefined);
  }
}

async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(() => [] as string[])).sort();
}

let tidied: Promise<void> | undefined;

/** Keeps snapshots within their size without anybody asking; looks once a day. */
export function pruneDaily(environment: Environment): Promise<void> {
  tidied ??= pruneWhenDue(environment).catch(() => undefined);
  return tidied;
}

async function pruneWhenDue(environment: Environment): Promise<void> {
  const stamp = join(snapshotsDirectory(environment), ".pruned");
  const last = await stat(stamp).catch(() => undefined);
  if (last !== undefined && Date.now() - last.mtimeMs < day) return;
  await writeFile(stamp, "");
  await pruneSnapshots(environment);
}
