import { unlink } from "node:fs/promises";
import { childrenOf, staysElsewhere } from "../image/index.ts";
import { type Digest, explainSystemError } from "../io/index.ts";
import type { BlobDirectory } from "./blobs.ts";
import { cacheRecords } from "./cache.ts";
import { describe } from "./find.ts";
import { isMissing } from "./missing.ts";
import type { Problem } from "./verify.ts";

/** What a repair took away, so that it is made anew. */
export interface Repaired {
  /** Paths of damaged files: blobs and unpacked layers. */
  readonly removed: readonly string[];
  /** Results of builds that were damaged or led to something that is not there. */
  readonly forgotten: number;
}

/**
 * Deletes the damaged files that verifying found, and forgets every cached result that leads to one: what is absent
 * is built, pulled or unpacked again, what is damaged would be taken for whole. Names of images stay, because the
 * next build or pull completes them. The caller holds the store's lock.
 *
 * @throws WhittleError `PERMISSION`
 */
export async function repair(
  directory: string,
  blobs: BlobDirectory,
  problems: Iterable<Problem>,
): Promise<Repaired> {
  const removed: string[] = [];
  for (const { file } of problems) {
    if (file === undefined) continue;
    await remove(file);
    removed.push(file);
  }
  const known = new Map<Digest, boolean>();
  let forgotten = 0;
  for await (const record of cacheRecords(directory)) {
    if (record.readable && (await areWhole(blobs, record.blobs, known))) continue;
    await remove(record.path);
    forgotten += 1;
  }
  return { removed, forgotten };
}

/** Whether blobs are there with everything that they lead to. */
async function areWhole(
  blobs: BlobDirectory,
  digests: readonly Digest[],
  known: Map<Digest, boolean>,
): Promise<boolean> {
  for (const digest of digests) {
    let whole = known.get(digest);
    if (whole === undefined) {
      whole = (await blobs.has(digest)) && (await areWhole(blobs, await leadsTo(blobs, digest), known));
      known.set(digest, whole);
    }
    if (!whole) return false;
  }
  return true;
}

async function leadsTo(blobs: BlobDirectory, digest: Digest): Promise<Digest[]> {
  const about = await describe(blobs, digest);
  // What cannot be understood leads nowhere.
  const children = about === undefined ? [] : await childrenOf(blobs, about).catch(() => []);
  return children.filter((child) => !staysElsewhere(child)).map((child) => child.digest);
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (!isMissing(error)) throw explainSystemError(error, `delete ${path}`);
  });
}
