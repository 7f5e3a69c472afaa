import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { explainSystemError, redact, WhittleError, writeFileAtomically } from "../../io/index.ts";
import { grantAccess } from "./access.ts";
import type { GitLocal } from "./request.ts";

/**
 * What every run of git is told instead of the settings of the machine and the person. Repositories come from
 * strangers: no hook and no monitor runs, no other transport than these is spoken, submodules cannot name files of
 * this machine ("user" allows that to us alone), and nothing is converted on its way to a file.
 */
const configuration = `[protocol]
	allow = never
[protocol "http"]
	allow = always
[protocol "https"]
	allow = always
[protocol "ssh"]
	allow = always
[protocol "git"]
	allow = always
[protocol "file"]
	allow = user
[core]
	hooksPath = /dev/null
	fsmonitor = false
	autocrlf = false
	symlinks = true
	fileMode = true
	logAllRefUpdates = false
	attributesFile = /dev/null
	excludesFile = /dev/null
[credential]
	helper =
[http]
	lowSpeedLimit = 1
	lowSpeedTime = 60
[gc]
	auto = 0
[maintenance]
	auto = false
[init]
	defaultBranch = master
[index]
	version = 2
[advice]
	detachedHead = false
[safe]
	directory = *
`;

/** Variables of the machine that say how the network is reached. */
const passedOn = [
  ...["PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"],
  ...["http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"],
];

/** The git program, prepared for one repository on the network. */
export class Git {
  readonly #remote: string;
  readonly #variables: Readonly<Record<string, string>>;
  readonly #signal: AbortSignal;
  readonly #end: () => Promise<void>;

  private constructor(
    remote: string,
    variables: Readonly<Record<string, string>>,
    signal: AbortSignal,
    end: () => Promise<void>,
  ) {
    this.#remote = remote;
    this.#variables = variables;
    this.#signal = signal;
    this.#end = end;
  }

  /**
   * Runs `use` with the means to reach a repository: settings, credentials, an agent's socket.
   *
   * @throws WhittleError `NOT_FOUND` when an agent is needed and was not given
   */
  static async with<Result>(
    remote: string,
    local: GitLocal,
    signal: AbortSignal,
    use: (git: Git) => Promise<Result>,
  ): Promise<Result> {
    const { environment, cacheDirectory } = local;
    const settings = join(cacheDirectory, "git", "config");
    const known = await readFile(settings, "utf8").catch(() => "");
    if (known !== configuration) await writeFileAtomically(settings, configuration);
    const variables: Record<string, string> = {
      GIT_CONFIG_GLOBAL: settings,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_ATTR_NOSYSTEM: "1",
      GIT_TERMINAL_PROMPT: "0",
      HOME: "/dev/null",
      LC_ALL: "C",
    };
    for (const name of passedOn) {
      const value = environment[name];
      if (value !== undefined) variables[name] = value;
    }
    const access = await grantAccess(remote, local);
    const git = new Git(remote, { ...variables, ...access.variables }, signal, access.close);
    try {
      return await use(git);
    } finally {
      await git.#end();
    }
  }

  /**
   * Runs git to its end and answers with what it printed.
   *
   * @param directory - where it runs; `repository` is the one that it works on
   * @param doing - the attempt, as the words after "Cannot", for the error
   * @throws WhittleError `ENVIRONMENT` when there is no git, `NETWORK` when it fails
   */
  async run(
    doing: string,
    args: readonly string[],
    { directory, repository, extra = {} }: GitPlace,
  ): Promise<string> {
    this.#signal.throwIfAborted();
    const child = spawn("git", args, {
      cwd: directory,
      env: { ...this.#variables, ...(repository === undefined ? {} : { GIT_DIR: repository }), ...extra },
      stdio: ["ignore", "pipe", "pipe"],
      // Its helpers are in its process group, so that they can be ended together.
      detached: true,
    });
    const abort = (): void => endGroup(child);
    this.#signal.addEventListener("abort", abort);
    try {
      const { status, stdout, stderr } = await output(child);
      this.#signal.throwIfAborted();
      if (status === 0) return stdout;
      throw new WhittleError("NETWORK", `Cannot ${doing}: ${reason(stderr, status)}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw explainSystemError(error, doing);
      throw new WhittleError("ENVIRONMENT", `Cannot ${doing}: the program git is not installed`, {
        hint: "apt-get install git",
        cause: error,
      });
    } finally {
      this.#signal.removeEventListener("abort", abort);
    }
  }

  /** The repository's address as errors may show it. */
  get shown(): string {
    return redact(this.#remote);
  }
}

/** Where git runs. */
export interface GitPlace {
  readonly directory: string;
  readonly repository?: string;
  readonly extra?: Readonly<Record<string, string>>;
}

const mostOutput = 64 * 1024 * 1024;

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function output(child: ChildProcess): Promise<Ended> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  let size = 0;
  const take = (list: Buffer[]) => (chunk: Buffer) => {
    size += chunk.length;
    if (size > mostOutput) endGroup(child);
    else list.push(chunk);
  };
  child.stdout?.on("data", take(out));
  child.stderr?.on("data", take(err));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const text = (list: Buffer[]): string => Buffer.concat(list).toString("utf8");
      resolve({ status: size > mostOutput ? -1 : (code ?? -1), stdout: text(out), stderr: text(err) });
    });
  });
}

const patience = 2000;

/** Asks git and its helpers to end, which lets them take their lock files away, and then makes them. */
function endGroup(child: ChildProcess): void {
  signalGroup(child, "SIGTERM");
  const timer = setTimeout(() => signalGroup(child, "SIGKILL"), patience);
  child.once("close", () => clearTimeout(timer));
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // It has ended already.
  }
}

/** What git says in the end is the reason; what it says before is progress. */
function reason(stderr: string, status: number): string {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const telling = lines.filter((line) => /^(?:fatal|error|remote|ssh):|denied|refused/i.test(line));
  const shown = (telling.length > 0 ? telling : lines).slice(-3).map((line) => line.slice(0, 300));
  return shown.length === 0
    ? `git ended with status ${status}`
    : `git says ${JSON.stringify(shown.join("; "))}`;
}
