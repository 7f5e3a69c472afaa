import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { decompress, verified, WhittleError, type Work, writeFileAtomically } from "../io/index.ts";
import type { IndexFile } from "./archive-options.ts";
import type { HttpClient } from "./http.ts";
import type { LoadedRelease } from "./load-release.ts";
import { isNotServed } from "./not-served.ts";
import type { Release, ReleaseFile } from "./release.ts";

/** A `Packages` file that a release vouches for. */
export interface WantedIndex {
  readonly loaded: LoadedRelease;
  readonly release: Release;
  readonly component: string;
  readonly architecture: string;
  /** As it is without compression. */
  readonly plain: ReleaseFile;
}

// Milliseconds. A mirror that lags behind has caught up after minutes, or does not at all.
const askAgainAfter = 600_000;
/** In the order of what is the fewest bytes to fetch. */
const forms = [".xz", ".gz", ".bz2", ""];

/**
 * The `Packages` files of a release for an architecture, empty ones left out.
 *
 * @throws WhittleError `ARCHIVE_CORRUPT` when the release names one without its sum
 */
export function wantedIndexes(
  loaded: LoadedRelease,
  components: readonly string[],
  architecture: string,
): WantedIndex[] {
  const { release } = loaded;
  if (release === undefined) return [];
  const wanted: WantedIndex[] = [];
  for (const component of components) {
    for (const part of release.separateAll ? [architecture, "all"] : [architecture]) {
      const plain = release.files.get(`${component}/binary-${part}/Packages`);
      if (plain !== undefined && plain.size > 0) {
        wanted.push({ loaded, release, component, architecture, plain });
      }
    }
  }
  return wanted;
}

/**
 * Makes sure that a `Packages` file is in the cache, by downloading and decompressing it in one go where it is
 * not. Both forms are verified on the way.
 *
 * @throws WhittleError `ARCHIVE_UNTRUSTED`, `ARCHIVE_CORRUPT`, `NETWORK`, `DISK_FULL`
 */
export async function fetchIndex(
  wanted: WantedIndex,
  cacheDirectory: string,
  client: HttpClient,
  work: Work,
): Promise<IndexFile> {
  const { plain, loaded, component, architecture } = wanted;
  const { suite, mirror } = loaded.plan;
  const path = join(cacheDirectory, "debian", "indexes", `${plain.sha256}.packages`);
  const index: IndexFile = {
    path,
    suite,
    component,
    architecture,
    mirror,
    sha256: plain.sha256,
    size: plain.size,
  };
  if ((await stat(path).catch(() => undefined))?.size === plain.size) return index;
  const packed = packedForm(wanted);
  const id = `index:${plain.sha256}`;
  const label = `download index ${suite}/${component} ${architecture}`;
  const group = `download indexes (${architecture})`;
  work.progress({ kind: "start", id, label, totalBytes: packed.size, group });
  try {
    await writeFileAtomically(path, plainBytes(wanted, packed, client, work, id), { signal: work.signal });
    work.progress({ kind: "done", id, outcome: "done" });
    return index;
  } catch (error) {
    work.progress({
      kind: "done",
      id,
      outcome: work.signal.aborted || isNotServed(error) ? "cancelled" : "failed",
    });
    throw error;
  }
}

/**
 * Like {@link fetchIndex}, but an index of updates that the mirror does not serve as the release names it is left
 * out with a warning: mirrors lag behind for some architectures. Nothing unverified is ever used, and an index
 * whose length is right and whose bytes are wrong is an error as always.
 *
 * @param now - milliseconds since the epoch; the mirror is asked again after ten minutes, another one at once
 */
export async function fetchIndexIfServed(
  wanted: WantedIndex,
  options: { readonly cacheDirectory: string; readonly refresh?: boolean },
  client: HttpClient,
  work: Work,
  now: number,
): Promise<IndexFile[]> {
  const { plain, loaded, component, architecture } = wanted;
  const note = join(options.cacheDirectory, "debian", "indexes", `${plain.sha256}.not-served`);
  const leaveOut = (): IndexFile[] => {
    const text = `${loaded.plan.suite}/${component} is left out for ${architecture}: the mirror does not serve the index that its release names`;
    work.progress({ kind: "warning", text });
    return [];
  };
  const [when, whom] = (await readFile(note, "utf8").catch(() => "")).split(" ");
  const asked = whom === loaded.plan.mirror ? Number(when) : 0;
  if (options.refresh !== true && asked <= now && now - asked < askAgainAfter) return leaveOut();
  try {
    return [await fetchIndex(wanted, options.cacheDirectory, client, work)];
  } catch (error) {
    if (!isNotServed(error)) throw error;
    await writeFileAtomically(note, `${now} ${loaded.plan.mirror}`);
    return leaveOut();
  }
}

function packedForm({ release, plain, loaded }: WantedIndex): ReleaseFile {
  for (const form of forms) {
    const file = release.files.get(`${plain.path}${form}`);
    if (file !== undefined) return file;
  }
  throw new WhittleError("ARCHIVE_CORRUPT", `Cannot find ${plain.path} of ${loaded.plan.suite}`);
}

async function* plainBytes(
  wanted: WantedIndex,
  packed: ReleaseFile,
  client: HttpClient,
  work: Work,
  id: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const what = `${wanted.plain.path} of ${wanted.loaded.plan.suite}`;
  const stream = packedBytes(wanted, packed, client, work, id);
  try {
    yield* verified(decompress(stream, { limit: wanted.plain.size, signal: work.signal }), {
      what,
      size: wanted.plain.size,
      digest: `sha256:${wanted.plain.sha256}`,
    });
  } catch (error) {
    throw untrusted(error, what);
  }
}

async function* packedBytes(
  wanted: WantedIndex,
  packed: ReleaseFile,
  client: HttpClient,
  work: Work,
  id: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash("sha256");
  let at = 0;
  for await (const chunk of fromMirror(wanted, packed, client, work)) {
    hash.update(chunk);
    at += chunk.length;
    work.progress({ kind: "bytes", id, bytes: at, totalBytes: packed.size });
    yield chunk;
  }
  if (hash.digest("hex") !== packed.sha256) {
    throw new WhittleError(
      "ARCHIVE_UNTRUSTED",
      `Cannot accept ${packed.path} of ${wanted.loaded.plan.suite}: its SHA256 is not ${packed.sha256}`,
      { hint: "the mirror may be in the middle of an update; try again, or choose another mirror" },
    );
  }
}

/** By its hash where the archive offers that, so that an update of the mirror in between does no harm. */
async function* fromMirror(
  { loaded, release }: WantedIndex,
  packed: ReleaseFile,
  client: HttpClient,
  work: Work,
): AsyncGenerator<Uint8Array, void, undefined> {
  const base = `${loaded.plan.mirror}/dists/${loaded.plan.suite}`;
  const request = { size: packed.size, signal: work.signal };
  if (release.acquireByHash) {
    const folder = packed.path.slice(0, packed.path.lastIndexOf("/"));
    try {
      yield* client.download(`${base}/${folder}/by-hash/SHA256/${packed.sha256}`, request);
      return;
    } catch (error) {
      if (!isNotServed(error)) throw error;
    }
  }
  yield* client.download(`${base}/${packed.path}`, request);
}

/** Bytes that are not what the release says are untrusted, however that showed. */
function untrusted(error: unknown, what: string): unknown {
  if (!(error instanceof WhittleError)) return error;
  if (!["DIGEST_MISMATCH", "ARCHIVE_CORRUPT", "ARCHIVE_HOSTILE"].includes(error.code)) return error;
  return new WhittleError("ARCHIVE_UNTRUSTED", `Cannot accept ${what}: it is not what the release says`, {
    hint: "the mirror may be in the middle of an update; try again, or choose another mirror",
    cause: error,
  });
}
