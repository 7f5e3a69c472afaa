import { copyFile, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { redact, WhittleError } from "../../io/index.ts";
import type { Git } from "./program.ts";
import { initialize } from "./repository.ts";
import type { GitRequest, GitRevision } from "./request.ts";

/**
 * Writes the files of a commit, which the kept repository has, and of its submodules into a directory that is not
 * there yet; with `keepGitDir` a repository of that one commit beside them, whose bytes depend on the commit, the
 * ref and git's version alone.
 */
export async function checkOut(
  git: Git,
  repository: string,
  request: GitRequest,
  revision: GitRevision,
  directory: string,
): Promise<void> {
  const keep = request.keepGitDir === true;
  const doing = `check out ${git.shown}`;
  await initialize(git, join(directory, ".."), [], revision.commit, directory);
  if (keep) await copyCommit(git, repository, revision, directory);
  else await borrowObjects(repository, directory);
  const run = (...args: string[]): Promise<string> => git.run(doing, args, { directory });
  await run("checkout", "--quiet", "--force", "--detach", revision.commit);
  await run("config", "remote.origin.url", request.remote);
  if (request.submodules !== false) await fetchSubmodules(git, directory);
  if (!keep) {
    await rm(join(directory, ".git"), { recursive: true, force: true });
    return;
  }
  await run("config", "remote.origin.url", redact(request.remote));
  await run("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*");
  await settleRepository(git, directory);
}

/** The repository of the files reads the kept one's objects; nothing is copied. */
async function borrowObjects(repository: string, directory: string): Promise<void> {
  await writeFile(join(directory, ".git/objects/info/alternates"), `${join(repository, "objects")}\n`);
  await copyFile(join(repository, "shallow"), join(directory, ".git/shallow")).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  });
}

async function copyCommit(
  git: Git,
  repository: string,
  { commit, tag, ref }: GitRevision,
  directory: string,
): Promise<void> {
  const object = tag ?? commit;
  const options = ["--quiet", "--update-head-ok", "--depth=1", "--no-tags", "--no-write-fetch-head"];
  const refspec = ref === undefined ? object : `+${object}:${ref}`;
  await git.run(`check out ${git.shown}`, ["fetch", ...options, "--", repository, refspec], { directory });
}

async function fetchSubmodules(git: Git, directory: string): Promise<void> {
  if ((await stat(join(directory, ".gitmodules")).catch(() => undefined)) === undefined) return;
  const doing = `fetch the submodules of ${git.shown}`;
  const words = ["submodule", "--quiet", "update", "--init", "--recursive"];
  await git.run(doing, [...words, "--depth=1"], { directory }).catch(async (error: unknown) => {
    if (!(error instanceof WhittleError) || !/depth|shallow|unadvertised|not our ref/i.test(error.message))
      throw error;
    await git.run(doing, words, { directory });
  });
}

/**
 * Brings a repository into the one form that depends on nothing else: objects packed anew by a single thread, an
 * index without the times and inode numbers of this machine.
 */
const settleScript = `
set -e
d=$(git rev-parse --absolute-git-dir)
git -c pack.threads=1 -c repack.updateServerInfo=false repack -a -d -f -q
rm -rf "$d/index" "$d/logs" "$d/FETCH_HEAD" "$d/ORIG_HEAD"
git read-tree HEAD
`;

async function settleRepository(git: Git, directory: string): Promise<void> {
  const doing = `keep the repository of ${git.shown}`;
  const settle = ["-c", `alias.settle=!${settleScript}`, "settle"];
  await git.run(doing, settle, { directory });
  const modules = await readFile(join(directory, ".gitmodules")).catch(() => undefined);
  if (modules === undefined) return;
  await git.run(doing, ["submodule", "--quiet", "foreach", "--recursive", settleScript], { directory });
}
