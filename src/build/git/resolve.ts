import { join } from "node:path";
import { makeDirectories, WhittleError } from "../../io/index.ts";
import type { Git } from "./program.ts";
import { type GitLocal, type GitRequest, type GitRevision, isCommitName } from "./request.ts";

/**
 * Finds out which commit a request means. A ref that is a commit's whole name needs no question to anybody.
 *
 * @throws WhittleError `NETWORK` when the repository cannot be asked, `NOT_FOUND` when it has no such ref,
 *   `DIGEST_MISMATCH` when the checksum is another commit's
 */
export async function resolveRevision(git: Git, request: GitRequest, local: GitLocal): Promise<GitRevision> {
  const { ref, checksum } = request;
  if (checksum !== undefined && !/^[0-9a-f]+$/i.test(checksum)) {
    throw new WhittleError(
      "USAGE",
      `Cannot fetch ${git.shown}: invalid checksum ${checksum}, expected hex commit hash`,
    );
  }
  const revision =
    ref !== undefined && isCommitName(ref) ? { commit: ref } : await asked(git, request, local);
  requireChecksum(git, revision, checksum);
  return revision;
}

function requireChecksum(git: Git, { commit, tag }: GitRevision, checksum: string | undefined): void {
  if (checksum === undefined) return;
  const wanted = checksum.toLowerCase();
  const names = [...(tag === undefined ? [] : [tag]), commit];
  if (names.some((name) => name.startsWith(wanted))) return;
  throw new WhittleError(
    "DIGEST_MISMATCH",
    `Cannot use ${git.shown}: expected checksum to match ${checksum}, got ${names.join(" or ")}`,
    { hint: "check the ref, and bring the checksum up to date when the new commit is meant" },
  );
}

async function asked(git: Git, { remote, ref }: GitRequest, local: GitLocal): Promise<GitRevision> {
  const directory = join(local.cacheDirectory, "git");
  await makeDirectories(directory);
  const names = ref === undefined ? ["HEAD"] : [ref, `${ref}^{}`];
  const text = await git.run(`look into ${git.shown}`, ["ls-remote", "--symref", "--", remote, ...names], {
    directory,
    // None of this machine's repositories is meant, wherever the directory lies.
    repository: join(directory, "none"),
  });
  const lines = text.split("\n").map((line) => line.split("\t"));
  return ref === undefined ? headOf(git, lines) : namedBy(git, ref, lines);
}

type Lines = readonly (readonly string[])[];

function headOf(git: Git, lines: Lines): GitRevision {
  const commit = lines.find(([name, ref]) => ref === "HEAD" && isCommitName(name ?? ""))?.[0];
  if (commit === undefined) {
    throw new WhittleError("NOT_FOUND", `Cannot fetch ${git.shown}: the repository has no default branch`, {
      hint: "name a branch, tag or commit behind #",
    });
  }
  const branch = lines.find(([name, ref]) => ref === "HEAD" && name?.startsWith("ref: "))?.[0]?.slice(5);
  return { commit, ...(branch === undefined ? {} : { ref: branch }) };
}

/** As for git-checkout, a branch goes before a tag of the same name. */
function namedBy(git: Git, ref: string, lines: Lines): GitRevision {
  const named = new Map(lines.map(([name = "", full = ""]) => [full, name]));
  const without = (prefix: string): string => (ref.startsWith(prefix) ? ref.slice(prefix.length) : ref);
  const candidates = [
    `refs/${without("refs/")}`,
    `refs/heads/${without("refs/heads/")}`,
    `refs/tags/${without("refs/tags/")}`,
  ];
  for (const full of candidates) {
    const object = named.get(full);
    if (object === undefined || !isCommitName(object)) continue;
    const commit = named.get(`${full}^{}`);
    if (commit === undefined || !isCommitName(commit)) return { commit: object, ref: full };
    return { commit, ref: full, tag: object };
  }
  throw new WhittleError("NOT_FOUND", `Cannot fetch ${git.shown}: repository does not contain ref ${ref}`, {
    hint: "a branch, a tag, or all 40 digits of a commit are wanted",
  });
}
