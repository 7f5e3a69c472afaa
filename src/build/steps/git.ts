import { digestOfJson, located, type SourceLocation } from "../../io/index.ts";
import type { Executor } from "../executor.ts";
import { gitTree, resolveGit } from "../git/fetch.ts";
import type { GitLocal, GitRequest, GitRevision } from "../git/request.ts";
import type { Json, Step } from "../graph.ts";
import type { TreeValue } from "./tree-value.ts";

/** What fetching a repository needs, and where the instruction stands. */
export interface GitStepLocal extends GitLocal {
  readonly at?: SourceLocation;
}

/** A step that brings the files of a git revision. */
export function gitStep(request: GitRequest, local: GitStepLocal, label?: string): Step {
  const { remote, ref, checksum, subdirectory, keepGitDir, submodules } = request;
  const parameters: Record<string, Json | undefined> = {
    remote,
    ref,
    checksum,
    subdirectory,
    keepGitDir,
    submodules,
  };
  return { kind: "git", ...(label === undefined ? {} : { label }), parameters, inputs: {}, local };
}

/**
 * The repository is asked in every build which commit is meant, unless a commit was named; that is fetched when
 * somebody looks at its files. The same commit comes to the same digest wherever it is from.
 */
export const gitExecutor: Executor = {
  kind: "git",
  version: 1,
  cached: false,
  async run(step, _inputs, work) {
    const request = step.parameters as unknown as GitRequest;
    const revision = await pointing(step, (local) => resolveGit(request, local, work));
    const { keepGitDir = false, submodules = true, subdirectory = "", remote } = request;
    const { commit, ref = "", tag = "" } = revision;
    // A kept repository tells where it is from.
    const kept = keepGitDir ? { remote, ref, tag } : {};
    const digest = digestOfJson({ commit, keepGitDir, submodules, subdirectory, ...kept });
    return { digest, record: revision as unknown as Json };
  },
  async load(step, outcome, _inputs, work): Promise<TreeValue> {
    const revision = outcome.record as unknown as GitRevision;
    const request = step.parameters as unknown as GitRequest;
    return { tree: await pointing(step, (local) => gitTree(request, revision, local, work)) };
  },
};

/** Errors point at the instruction that names the repository. */
async function pointing<Result>(step: Step, fetch: (local: GitLocal) => Promise<Result>): Promise<Result> {
  const local = step.local as GitStepLocal;
  try {
    return await fetch(local);
  } catch (error) {
    throw located(error, local.at);
  }
}
