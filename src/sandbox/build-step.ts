import type { Platform } from "../image/index.ts";
import { type Digest, type Environment, readText, type Work } from "../io/index.ts";
import type { Changes, Tree } from "../tree/index.ts";
import { type Account, findAccount } from "./accounts.ts";
import { requireExecutable } from "./emulation.ts";
import { pruneDaily } from "./prune-snapshots.ts";
import type { ResourceLimit, SpecMount } from "./runtime-spec.ts";
import { chooseSetup } from "./runtimes.ts";
import type { StepSecret } from "./secret-files.ts";
import { type SnapshotLayer, snapshot, snapshotStack } from "./snapshot.ts";
import { attempt } from "./step-attempt.ts";
import { removeAbandonedSteps } from "./step-directory.ts";
import type { StepOutput } from "./step-launch.ts";
import type { LeftFiles } from "./upper.ts";
import { requireNamespace } from "./user-namespace.ts";

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
  /** What the machine calls itself; by default what BuildKit's steps are called. */
  readonly hostname?: string;
  /** Lines for /etc/hosts: name and address. */
  readonly extraHosts: readonly (readonly [string, string])[];
  /** Beside the kernel's file systems and the machine's files. */
  readonly mounts: readonly SpecMount[];
  /** Bytes that /dev/shm takes; by default 64 MiB. */
  readonly shmSize?: number;
  /** How many processes and threads there may be at a time; by default {@link mostProcesses}. */
  readonly pidsLimit?: number;
  /** As setrlimit(2) takes them, beside those of every step. */
  readonly limits?: readonly ResourceLimit[];
  readonly secrets: readonly StepSecret[];
}

/** What a program left. */
export interface BuildStepResult {
  readonly status: number;
  /** Why it could not be started at all. */
  readonly failure?: string;
  /** What about the machine may have made it fail. */
  readonly hint?: string;
  readonly left: LeftFiles;
  /**
   * Makes what is left the snapshot of the next layer, where that needs no copying.
   *
   * @param key - what the tree has become
   * @param changes - what the layer says: the rest goes
   */
  keep(key: Digest, changes: Changes): Promise<void>;
  /**
   * Runs another program on what is left, with the step's environment, user and mounts, and with this process's
   * standard streams; absent where what was left is gone already.
   *
   * @returns its exit status
   */
  readonly look?: (args: readonly string[]) => Promise<number>;
  /** Removes what is left. */
  discard(): Promise<void>;
}

/**
 * Runs a program over a tree and answers with what it left; the tree itself is not written to.
 *
 * @param layers - the tree, lowest layer first
 * @throws WhittleError `ENVIRONMENT`, `NOT_FOUND` for a user that the tree does not know
 */
export async function runBuildStep(
  layers: readonly SnapshotLayer[],
  step: BuildStep,
  work: Work,
  environment: Environment,
  output: StepOutput,
): Promise<BuildStepResult> {
  requireExecutable(step.platform, step.args[0] ?? "");
  const top = layers.at(-1);
  if (top === undefined) throw new Error("Internal error: a step runs over nothing");
  const account = await accountIn(await top.tree(), step.user);
  const setup = await chooseSetup(environment, undefined, account.uid);
  await requireNamespace(setup.privilege);
  await Promise.all([removeAbandonedSteps(environment), pruneDaily(environment)]);
  const lowers = await snapshotStack(layers, setup.privilege, work, environment);
  const running = { step, account, setup, work, environment };
  const laid = await attempt(running, lowers, undefined, output);
  if (laid !== undefined) return laid;
  // No overlay here: the program gets a copy of everything.
  const whole = await snapshot(top.key, top.tree, work, environment);
  const copied = await attempt(running, [], whole.rootfs, output);
  if (copied !== undefined) return copied;
  throw new Error("Internal error: a step with a copy of its tree was not run");
}

/** Looks a user up in a tree's own files. */
async function accountIn(tree: Tree, user: string): Promise<Account> {
  const read = async (path: string): Promise<string> => {
    const { entry } = tree.resolve(path);
    return entry?.type === "file" && entry.content.size <= mostBytes ? readText(entry.content) : "";
  };
  const [passwd, group] = await Promise.all([read("/etc/passwd"), read("/etc/group")]);
  return findAccount(user, passwd, group);
}

const mostBytes = 4 * 1024 * 1024;
