import { execFileSync } from "node:child_process";
import { chmod, cp, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Ended, type Identity, type Lacking, SandboxMachine } from "./sandbox-machine.ts";

/** What a build is given beside its Dockerfile. */
export interface BuildRequest {
  readonly flags?: readonly string[];
  readonly lacking?: Lacking;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
}

/** A machine with a small base to build on. */
export class BuildMachine {
  readonly sandbox: SandboxMachine;
  readonly #base: string;
  #number = 0;

  private constructor(sandbox: SandboxMachine) {
    this.sandbox = sandbox;
    this.#base = join(sandbox.directory, "base");
  }

  static async make(): Promise<BuildMachine> {
    const machine = new BuildMachine(await SandboxMachine.make());
    await cp(machine.sandbox.rootfs, machine.#base, { recursive: true, verbatimSymlinks: true });
    const applets = "chmod chown cp dd find ip ln mkdir mkfifo rm sed sort test";
    for (const name of applets.split(" ")) await symlink("busybox", join(machine.#base, "bin", name));
    return machine;
  }

  /** A context whose Dockerfile begins with the base, which is in the context as `base`. */
  async context(lines: readonly string[]): Promise<string> {
    const context = join(this.sandbox.directory, `context-${this.#number++}`);
    await mkdir(context);
    await chmod(context, 0o755);
    await cp(this.#base, join(context, "base"), { recursive: true, verbatimSymlinks: true });
    await writeFile(join(context, "Dockerfile"), ["FROM scratch", "COPY base /", ...lines, ""].join("\n"));
    return context;
  }

  /** Builds it, whatever is in the cache. */
  async build(identity: Identity, lines: readonly string[], request: BuildRequest = {}): Promise<Ended> {
    const { flags = [], lacking = {}, env, input } = request;
    const words = ["build", "--progress", "plain", "--no-cache", ...flags, await this.context(lines)];
    return this.sandbox.whittle(identity, words, input, { lacking, ...(env === undefined ? {} : { env }) });
  }

  /** A path for a file that a build of this user writes. */
  file(identity: Identity, name: string): string {
    return join(this.sandbox.directory, identity, "home", name);
  }

  /** What steps of this user's builds left, and snapshots that are not whole. */
  async unfinished(identity: Identity): Promise<string[]> {
    const cache = this.file(identity, ".cache/whittle");
    const names = async (place: string): Promise<string[]> =>
      (await readdir(join(cache, place)).catch(() => [])).map((name) => `${place}/${name}`);
    return [...(await names("steps")), ...(await names("snapshots")).filter((name) => name.endsWith(".tmp"))];
  }

  /** Removes everything, and answers with what was left of processes, mounts and containers. */
  async remove(): Promise<string[]> {
    const left = await this.sandbox.leftovers();
    await this.sandbox.remove();
    return left;
  }
}

/** The lines that a build's commands printed after `> `. */
export function printed({ stderr }: Ended): string[] {
  return stderr.split("\n").flatMap((line) => /^#\d+ [\d.]+ > (.*)$/.exec(line)?.[1] ?? []);
}

/** What a tar holds, without times. */
export function contentsOf(tar: string): string {
  const listed = execFileSync("tar", ["-tvf", tar, "--numeric-owner", "--xattrs"], { encoding: "utf8" });
  return listed.replace(/ \d{4}-\d\d-\d\d \d\d:\d\d /g, " ");
}
