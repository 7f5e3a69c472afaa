import { randomBytes } from "node:crypto";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { digestHex, makeDirectories, sha256, WhittleError } from "../../io/index.ts";
import { markUsed } from "./collect.ts";
import type { Git } from "./program.ts";
import type { GitRequest, GitRevision } from "./request.ts";

/** Where the objects of a remote repository are kept between builds; one commit deep where its server allows. */
export function repositoryPlace(cacheDirectory: string, remote: string, commit: string): string {
  const format = commit.length === 64 ? "sha256" : "sha1";
  return join(cacheDirectory, "git", `${digestHex(sha256(remote)).slice(0, 32)}-${format}`);
}

/**
 * Brings a commit with everything in it into the kept repository, unless it is there. Whoever calls holds the
 * repository's lock.
 *
 * @throws WhittleError `NETWORK`, `NOT_FOUND` when the repository has no such commit
 */
export async function fetchCommit(
  git: Git,
  repository: string,
  request: GitRequest,
  revision: GitRevision,
): Promise<void> {
  await makeRepository(git, repository, revision.commit);
  await removeOldLocks(repository);
  await markUsed(repository);
  if (await has(git, repository, revision)) return;
  const object = revision.tag ?? revision.commit;
  const shallow = ["--depth=1", "--no-tags"];
  const attempts = [
    [...shallow, `+${object}:refs/whittle/${object}`],
    // A server may give out what its refs name and nothing else.
    ...(revision.ref === undefined ? [] : [[...shallow, `+${revision.ref}:refs/whittle/${object}`]]),
    // Or it may not be able to give out less than everything.
    ["+refs/heads/*:refs/whittle/heads/*", "+refs/tags/*:refs/whittle/tags/*"],
  ];
  let refusal: unknown;
  for (const [index, [first = "", ...rest]] of attempts.entries()) {
    const last = index === attempts.length - 1;
    const refspecs = [first, ...rest].filter((word) => word.startsWith("+"));
    const options = [first, ...rest].filter((word) => !word.startsWith("+"));
    if (last && (await stat(join(repository, "shallow")).catch(() => undefined))) options.push("--unshallow");
    try {
      await fetch(git, repository, [...options, "--", request.remote, ...refspecs]);
    } catch (error) {
      if (!(error instanceof WhittleError) || !refusesDepth.test(error.message)) throw error;
      refusal = error;
    }
    if (await has(git, repository, revision)) return;
  }
  throw new WhittleError(
    "NOT_FOUND",
    `Cannot fetch ${git.shown}: the repository does not contain commit ${revision.commit}`,
    refusal === undefined ? {} : { cause: refusal },
  );
}

/** How git and servers say that they do not serve a single commit or a cut-off history. */
const refusesDepth = /unadvertised|not our ref|shallow|--depth|couldn't find remote ref|remote did not send/i;

async function fetch(git: Git, repository: string, words: readonly string[]): Promise<void> {
  const options = [
    "--quiet",
    "--force",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
    "--no-auto-maintenance",
  ];
  await git.run(`fetch ${git.shown}`, ["fetch", ...options, ...words], { directory: repository, repository });
}

async function has(git: Git, repository: string, { commit, tag }: GitRevision): Promise<boolean> {
  for (const name of [`${commit}^{commit}`, ...(tag === undefined ? [] : [tag])]) {
    const there = await git
      .run("look for a commit", ["cat-file", "-e", name], { directory: repository, repository })
      .then(() => true)
      .catch((error: unknown) => {
        if (error instanceof WhittleError && error.code === "NETWORK") return false;
        throw error;
      });
    if (!there) return false;
  }
  return true;
}

async function makeRepository(git: Git, repository: string, commit: string): Promise<void> {
  if ((await stat(repository).catch(() => undefined)) !== undefined) return;
  const directory = join(repository, "..");
  await makeDirectories(directory);
  const temporary = `${repository}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await initialize(git, directory, ["--bare"], commit, temporary);
    await rename(temporary, repository);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Makes an empty repository for commits with names like this one. */
export async function initialize(
  git: Git,
  directory: string,
  options: readonly string[],
  commit: string,
  place: string,
): Promise<void> {
  const format = `--object-format=${commit.length === 64 ? "sha256" : "sha1"}`;
  const words = ["init", "--quiet", "--template=", format, ...options, "--", place];
  await git.run(`fetch ${git.shown}`, words, { directory });
}

/** What a git that was killed left; our own lock says that no other is at work. */
async function removeOldLocks(repository: string): Promise<void> {
  const locks = (await readdir(repository)).filter((name) => name.endsWith(".lock"));
  for (const name of locks) await rm(join(repository, name), { force: true });
}
