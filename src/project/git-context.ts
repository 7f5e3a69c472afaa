import { gitStep, type Step } from "../build/index.ts";
import type { GitReference } from "../dockerfile/index.ts";
import type { AgentSource } from "./agents.ts";
import type { DockerfileOptions } from "./dockerfile-options.ts";
import { fetching } from "./fetching.ts";

/**
 * The files of a git repository as a context; with the build argument `BUILDKIT_CONTEXT_KEEP_GIT_DIR` the
 * repository itself is among them.
 */
export function gitContext(git: GitReference, options: DockerfileOptions, label: string): Step {
  const remote = git.looksLocal === true ? `https://${git.remote}` : git.remote;
  const keep = options.buildArguments?.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
  const keepGitDir = git.keepGitDir ?? /^(?:1|t|true)$/i.test(keep ?? "");
  const local = fetching({ ...options, agents: withOwnAgent(options) });
  return gitStep({ ...git, remote, keepGitDir }, local, `[${label}] fetch ${git.shortName}`);
}

/** A person who names a repository over ssh as the context means their own agent, as for buildx. */
function withOwnAgent({ agents, environment }: DockerfileOptions): ReadonlyMap<string, AgentSource> {
  const socket = environment["SSH_AUTH_SOCK"];
  const own =
    socket === undefined || socket === "" ? [] : [["default", { paths: [socket], raw: false }] as const];
  return new Map([...own, ...(agents ?? [])]);
}
