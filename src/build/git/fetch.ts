import { randomBytes } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  digestHex,
  digestOfJson,
  explainSystemError,
  makeDirectories,
  WhittleError,
  type Work,
  withLock,
} from "../../io/index.ts";
import { type Entry, nameOf, type Tree, treeOfDirectory } from "../../tree/index.ts";
import { checkOut } from "./checkout.ts";
import { markUsed } from "./collect.ts";
import { Git } from "./program.ts";
import { fetchCommit, repositoryPlace } from "./repository.ts";
import type { GitLocal, GitRequest, GitRevision } from "./request.ts";
import { resolveRevision } from "./resolve.ts";

/** The files of a commit. */
export interface FetchedGit {
  /** Root owns everything; modes are 0755 and 0644, all times that of the commit. */
  readonly tree: Tree;
  /** The commit's whole name. */
  readonly commit: string;
}

/**
 * Fetches a revision of a git repository; what is fetched is kept, so that the same commit is not fetched again.
 *
 * @throws WhittleError `ENVIRONMENT` without git, `NETWORK`, `NOT_FOUND` for a ref or directory that is not there,
 *   `DIGEST_MISMATCH` for another commit than the checksum says
 */
export async function fetchGit(request: GitRequest, local: GitLocal, work: Work): Promise<FetchedGit> {
  const revision = await resolveGit(request, local, work);
  return { tree: await gitTree(request, revision, local, work), commit: revision.commit };
}

/** Asks which commit a request means; throws as {@link fetchGit}. */
export function resolveGit(request: GitRequest, local: GitLocal, work: Work): Promise<GitRevision> {
  return Git.with(request.remote, local, work.signal, (git) => resolveRevision(git, request, local));
}

/** The files of a revision that is known; throws as {@link fetchGit}. */
export async function gitTree(
  request: GitRequest,
  revision: GitRevision,
  local: GitLocal,
  work: Work,
): Promise<Tree> {
  const place = await checkedOut(request, revision, local, work);
  await markUsed(place);
  const time = Number(await readFile(join(place, "time"), "utf8"));
  const keep = request.keepGitDir === true;
  const tree = await treeOfDirectory(join(place, "files"), {
    signal: work.signal,
    // Submodules have a file of that name, which leads to a directory of this machine.
    ignore: (path) => !keep && nameOf(path) === ".git",
  });
  return subdirectoryOf(
    tree.map((_path, entry) => settled(entry, time)),
    request,
  );
}

async function checkedOut(
  request: GitRequest,
  revision: GitRevision,
  local: GitLocal,
  work: Work,
): Promise<string> {
  const { remote, keepGitDir = false, submodules = true } = request;
  const kept = keepGitDir ? { ref: revision.ref, tag: revision.tag } : {};
  const key = digestOfJson({ remote, commit: revision.commit, keepGitDir, submodules, ...kept });
  const place = join(local.cacheDirectory, "git", "files", digestHex(key).slice(0, 40));
  if (await isThere(place)) return place;
  const repository = repositoryPlace(local.cacheDirectory, remote, revision.commit);
  await makeDirectories(join(place, ".."));
  const lock = { signal: work.signal };
  await withLock(
    `${repository}.lock`,
    async () => {
      if (await isThere(place)) return;
      await Git.with(remote, local, work.signal, async (git) => {
        await fetchCommit(git, repository, request, revision);
        await writeFiles(git, repository, request, revision, place);
      });
    },
    lock,
  );
  return place;
}

async function writeFiles(
  git: Git,
  repository: string,
  request: GitRequest,
  revision: GitRevision,
  place: string,
): Promise<void> {
  const temporary = `${place}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await makeDirectories(temporary);
    await checkOut(git, repository, request, revision, join(temporary, "files"));
    const words = ["show", "--no-patch", "--format=%ct", revision.commit];
    const time = await git.run(`read ${git.shown}`, words, { directory: repository, repository });
    await writeFile(join(temporary, "time"), `${Number.parseInt(time, 10) || 0}\n`);
    await rename(temporary, place);
  } catch (error) {
    throw explainSystemError(error, `check out ${git.shown}`);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function isThere(place: string): Promise<boolean> {
  return (await readFile(join(place, "time")).catch(() => undefined)) !== undefined;
}

/** What git keeps of an entry; the rest depends on who fetched it, and when. */
function settled(entry: Entry, mtime: number): Entry {
  const owned = { ...entry, uid: 0, gid: 0, mtime };
  if (entry.type === "symlink") return owned;
  const program = entry.type === "directory" || (entry.mode & 0o100) !== 0;
  const readOnly = (entry.mode & 0o200) === 0;
  return { ...owned, mode: program ? 0o755 : readOnly ? 0o444 : 0o644 };
}

/** A link on the way could lead anywhere in the repository; as in BuildKit every part has to be a directory. */
function subdirectoryOf(tree: Tree, { subdirectory, remote }: GitRequest): Tree {
  const parts = (subdirectory ?? "").split("/").filter((part) => part !== "" && part !== ".");
  const path = `/${parts.join("/")}`;
  if (path === "/") return tree;
  if (!parts.includes("..") && tree.get(path)?.type === "directory") return tree.below(path);
  throw new WhittleError(
    "NOT_FOUND",
    `Cannot use the directory ${subdirectory} of ${remote}: the repository has no such directory`,
  );
}
