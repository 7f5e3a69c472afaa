import { randomBytes } from "node:crypto";
import { chmod, mkdir, readdir, rename, utimes } from "node:fs/promises";
import { join } from "node:path";
import {
  cacheDirectory,
  type Digest,
  digestHex,
  digestOfJson,
  type Environment,
  explainSystemError,
  type HeldLock,
  holdLock,
  makeDirectories,
  tryLock,
  type Work,
} from "../io/index.ts";
import type { Tree } from "../tree/index.ts";
import { fillDirectory, removeDirectoryAs } from "./fill.ts";
import { giveTo } from "./ownership.ts";
import { choosePrivilege } from "./privilege.ts";

/** A directory that steps of builds keep between them. */
export interface CacheRequest {
  readonly id: string;
  /**
   * `shared`: with everybody who shares it, at the same time; `private`: with nobody, another copy is taken while
   * one is in use; `locked`: with nobody, and whoever comes later waits.
   */
  readonly sharing: "shared" | "private" | "locked";
  /** Of the directory when it is made; numbers as inside the container. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /**
   * What is in it at first, as the directory `/files` of a tree; caches that begin with other files are other caches.
   */
  readonly initial?: { readonly key: Digest; readonly tree: () => Promise<Tree> };
}

/** A cache in use. */
export interface HeldCache {
  /** The directory on disk. */
  readonly path: string;
  /** Leaves it to others. */
  release(): Promise<void>;
}

/**
 * Takes a cache into use, and makes it where it is not there yet. All processes of the machine respect each other.
 *
 * @throws WhittleError `DISK_FULL`, `PERMISSION`; the reason of the signal when it fires while waiting
 */
export async function holdCache(
  request: CacheRequest,
  work: Work,
  environment: Environment,
): Promise<HeldCache> {
  const { id, initial } = request;
  const name = digestHex(digestOfJson({ id, initial: initial?.key })).slice(0, 40);
  const directory = join(cacheDirectory(environment), "mounts", name);
  await makeDirectories(directory).catch((error: unknown) => {
    throw explainSystemError(error, `make the cache mount ${id}`);
  });
  const { place, lock } = await freeCopy(directory, request.sharing, work);
  try {
    await makeCache(place, request, work, environment);
    // How long a cache was of no use is told by this time.
    const now = new Date();
    await utimes(place, now, now).catch(() => undefined);
    return { path: join(place, "files"), release: () => lock.release() };
  } catch (error) {
    await lock.release();
    throw explainSystemError(error, `make the cache mount ${id}`);
  }
}

interface Copy {
  readonly place: string;
  readonly lock: HeldLock;
}

/** As in BuildKit, a copy that nobody uses is as good as any other. */
async function freeCopy(directory: string, sharing: CacheRequest["sharing"], work: Work): Promise<Copy> {
  const shared = sharing === "shared";
  const numbers = (await readdir(directory)).flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
  const next = numbers.length === 0 ? 0 : Math.max(...numbers) + 1;
  const known = numbers.sort((a, b) => a - b);
  for (const number of known) {
    const place = join(directory, String(number));
    const lock = await tryLock(`${place}.lock`, { shared });
    if (lock !== undefined) return { place, lock };
  }
  if (sharing === "locked") {
    const place = join(directory, String(known[0] ?? 0));
    return { place, lock: await holdLock(`${place}.lock`, { signal: work.signal }) };
  }
  for (let number = next; ; number++) {
    const place = join(directory, String(number));
    const lock = await tryLock(`${place}.lock`, { shared });
    if (lock !== undefined) return { place, lock };
  }
}

async function makeCache(
  place: string,
  request: CacheRequest,
  work: Work,
  environment: Environment,
): Promise<void> {
  const there = await readdir(place).catch(() => undefined);
  if (there !== undefined) return;
  const privilege = await choosePrivilege(environment);
  const temporary = `${place}.${randomBytes(6).toString("hex")}.tmp`;
  const files = join(temporary, "files");
  try {
    const tree = await request.initial?.tree();
    if (tree !== undefined) {
      await fillDirectory(tree, temporary, privilege, work);
    } else {
      await mkdir(files, { recursive: true });
      await chmod(files, request.mode);
      await giveTo(files, request, environment);
    }
    await rename(temporary, place).catch((error: NodeJS.ErrnoException) => {
      // Somebody who shares it was faster.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await removeDirectoryAs(temporary, privilege);
  }
}
