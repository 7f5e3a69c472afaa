import type { Environment } from "../../io/index.ts";
import type { SshAgent } from "../../sandbox/index.ts";

/** A revision of a git repository. What reads addresses (`parseGitReference`) answers in this shape. */
export interface GitRequest {
  /** The address for git, without ref and directory. */
  readonly remote: string;
  /** A commit, tag or branch; without one, the branch that the repository's HEAD names. */
  readonly ref?: string;
  /** The beginning of the name that the commit, or the tag that leads to it, must have. */
  readonly checksum?: string;
  /** A directory of the repository: only what is in it is wanted. */
  readonly subdirectory?: string;
  /** Whether the repository itself is wanted beside its files. */
  readonly keepGitDir?: boolean;
  /** Whether submodules are fetched, too (default: yes). */
  readonly submodules?: boolean;
}

/** What fetching needs that does not change what is fetched. */
export interface GitLocal {
  readonly environment: Environment;
  /** Repositories and their files are kept below it. */
  readonly cacheDirectory: string;
  /**
   * The bytes of a secret, or undefined when nobody gave it. For addresses over HTTP, `GIT_AUTH_HEADER` and
   * `GIT_AUTH_TOKEN` are asked for, first with `.HOST` behind them, as BuildKit does.
   */
  readonly secret?: (id: string) => Promise<Uint8Array | undefined>;
  /** The ssh agent of a name, or undefined when nobody gave it. Addresses over ssh use that called `default`. */
  readonly agent?: (id: string) => Promise<SshAgent | undefined>;
}

/** What a request comes to. */
export interface GitRevision {
  /** The commit's name: 40 hexadecimal digits, or 64 in a repository of SHA-256. */
  readonly commit: string;
  /** The full name of the branch or tag, where it is one. */
  readonly ref?: string;
  /** What the ref names where that is not the commit: the object of an annotated tag. */
  readonly tag?: string;
}

/** Whether a text is the whole name of a commit. */
export function isCommitName(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}
