import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFile, mkdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { hostPlatform, type Platform } from "../image/index.ts";
import {
  type Content,
  cacheDirectory,
  type Environment,
  explainSystemError,
  fileContent,
  WhittleError,
  type Work,
} from "../io/index.ts";
import { findAccount } from "./accounts.ts";
import { requireExecutable } from "./emulation.ts";
import { failureStatus, runtimeFailure } from "./failure.ts";
import { readInside } from "./inside.ts";
import { heldCapabilities } from "./machine.ts";
import { writeMachineFiles } from "./machine-files.ts";
import { asNamespaceRoot } from "./privilege.ts";
import { defaultPath, mergeEnvironment } from "./process.ts";
import type { SpecMount } from "./runtime-spec.ts";
import { chooseSetup, type Setup } from "./runtimes.ts";
import { runQuietly } from "./signal.ts";
import type { Snapshot } from "./snapshot.ts";
import { runtimeSpec } from "./spec.ts";

/** A program that changes a file tree: a build's RUN. */
export interface BuildStep {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  /** As an image's `User`; empty for root. */
  readonly user: string;
  readonly platform: Platform;
  readonly network: "default" | "none" | "host";
  /** All capabilities and no filter of system calls. */
  readonly insecure: boolean;
  /** Lines for /etc/hosts: name and address. */
  readonly extraHosts: readonly (readonly [string, string])[];
  /** Beside the kernel's file systems and the machine's files. */
  readonly mounts: readonly SpecMount[];
}

/** What a program left. */
export interface BuildStepResult {
  readonly status: number;
  /** Why it could not be started at all. */
  readonly failure?: string;
  /** An uncompressed tar: of all files when `whole`, else of what changed, as an overlay's upper directory. */
  readonly left: Content;
  readonly whole: boolean;
  /** Removes that. */
  discard(): Promise<void>;
}

/**
 * Runs a program over a tree and answers with what it left; the tree itself is not written to.
 *
 * @throws WhittleError `ENVIRONMENT`, `NOT_FOUND` for a user that the tree does not know
 */
export async function runBuildStep(
  lower: Snapshot,
  step: BuildStep,
  work: Work,
  environment: Environment,
  output: (chunk: Buffer, stream: "stdout" | "stderr") => void,
): Promise<BuildStepResult> {
  requireExecutable(step.platform, step.args[0] ?? "");
  const [passwd = "", group = ""] = await Promise.all([
    readInside(lower.rootfs, "/etc/passwd"),
    readInside(lower.rootfs, "/etc/group"),
  ]);
  const account = findAccount(step.user, passwd, group);
  const setup = await chooseSetup(environment, undefined, account.uid);
  if (setup.driver.name === "plain") {
    throw new WhittleError(
      "ENVIRONMENT",
      "Cannot run a build's commands: neither runc nor crun is installed",
      {
        hint: "apt-get install runc",
      },
    );
  }
  const id = randomBytes(16).toString("hex");
  const directory = join(cacheDirectory(environment), "steps", id);
  const discard = (): Promise<void> => remove(directory, setup);
  try {
    await makeBundle(directory, lower, setup);
    const spec = runtimeSpec({
      id,
      hostname: "whittle",
      process: {
        args: step.args,
        env: mergeEnvironment([`PATH=${defaultPath}`], [`HOME=${account.home}`], step.env),
        cwd: step.cwd,
        account,
        terminal: false,
      },
      options: {
        network: step.network === "none" ? "none" : "host",
        ...(step.insecure ? { capAdd: ["ALL"] } : {}),
      },
      mounts: {
        rootless: setup.privilege !== "root",
        ttyGroup: setup.privilege !== "single",
        cgroups: setup.showCgroups,
        files: await machineFiles(directory, step),
      },
      architecture: hostPlatform().architecture,
      held: heldCapabilities(),
      limits: setup.limits,
      cgroupNamespace: false,
    });
    // A build may use programs that change their user, as in an ordinary container.
    const process_ = { ...spec.process, noNewPrivileges: false };
    const changed = { ...spec, process: process_, mounts: withOwn(spec.mounts, step.mounts) };
    await writeFile(join(directory, "config.json"), JSON.stringify(changed));
    const harvest = join(directory, "left.tar");
    const line = setup.driver.run({
      id,
      directory,
      privilege: setup.privilege,
      uid: account.uid,
      gid: account.gid,
      namespaces: spec.linux.namespaces,
      harvest,
    });
    const status = await runToEnd(line, directory, work, output);
    const failure = runtimeFailure(join(directory, "runtime.log"));
    const size = await stat(harvest).then(
      (about) => about.size,
      () => undefined,
    );
    if (size === undefined) {
      throw new WhittleError(
        "CONTAINER_FAILED",
        `Cannot run ${step.args[0]}: ${failure ?? `status ${status}`}`,
      );
    }
    const kind = await readFile(`${harvest}.kind`, "utf8").catch(() => "");
    return {
      status: failure === undefined ? status : failureStatus(failure),
      ...(failure === undefined ? {} : { failure }),
      left: fileContent(harvest, size),
      whole: kind.trim() === "whole",
      discard,
    };
  } catch (error) {
    await discard();
    throw explainSystemError(error, "run a command of the build");
  }
}

/** A mount of the step's takes the place of one that every container has. */
function withOwn(usual: readonly SpecMount[], own: readonly SpecMount[]): SpecMount[] {
  const taken = new Set(own.map((mount) => mount.destination));
  return [...usual.filter((mount) => !taken.has(mount.destination)), ...own];
}

async function makeBundle(directory: string, lower: Snapshot, setup: Setup): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o755 });
  for (const name of ["root", "upper", "work", "runtime", "owners"]) await mkdir(join(directory, name));
  await symlink(lower.rootfs, join(directory, "lower"));
  if (setup.privilege !== "subordinate") return;
  for (const [owner, paths] of Object.entries(lower.owners)) {
    await writeFile(join(directory, "owners", owner), paths.map((path) => `.${path}\0`).join(""));
  }
}

async function machineFiles(directory: string, step: BuildStep): Promise<string> {
  const files = await writeMachineFiles(directory, "whittle", []);
  const lines = step.extraHosts.map(([name, address]) => `${address}\t${name}\n`).join("");
  if (lines !== "") await appendFile(join(files, "hosts"), lines);
  return files;
}

async function runToEnd(
  line: readonly string[],
  directory: string,
  work: Work,
  output: (chunk: Buffer, stream: "stdout" | "stderr") => void,
): Promise<number> {
  const [file = "", ...args] = line;
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: defaultPath, SHELL: "/bin/sh" },
    detached: true,
  });
  child.stdout.on("data", (chunk: Buffer) => output(chunk, "stdout"));
  child.stderr.on("data", (chunk: Buffer) => output(chunk, "stderr"));
  const abort = (): void => void killContainer(directory, child);
  work.signal.addEventListener("abort", abort);
  if (work.signal.aborted) abort();
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) =>
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
      );
    });
  } finally {
    work.signal.removeEventListener("abort", abort);
  }
}

/** With the first process of its process namespace everything in it ends. */
async function killContainer(directory: string, child: ChildProcess): Promise<void> {
  const pid = Number.parseInt(await readFile(join(directory, "pid"), "utf8").catch(() => ""), 10);
  try {
    if (pid > 0) process.kill(pid, "SIGKILL");
    else if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

async function remove(directory: string, setup: Setup): Promise<void> {
  if (setup.privilege === "root") await rm(directory, { recursive: true, force: true });
  else await runQuietly([...asNamespaceRoot(setup.privilege), "rm", "-rf", "--", directory]);
}
