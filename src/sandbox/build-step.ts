import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Platform } from "../image/index.ts";
import {
  type Digest,
  type Environment,
  explainSystemError,
  fileContent,
  readText,
  WhittleError,
  type Work,
} from "../io/index.ts";
import type { Changes, Tree } from "../tree/index.ts";
import { type Account, findAccount } from "./accounts.ts";
import { limitProcesses } from "./control-groups.ts";
import type { Bundle } from "./driver.ts";
import { requireExecutable } from "./emulation.ts";
import { failureStatus, runtimeFailure } from "./failure.ts";
import { keepUpper } from "./keep-upper.ts";
import { readOr } from "./machine.ts";
import type { SpecMount } from "./runtime-spec.ts";
import { chooseSetup, type Setup } from "./runtimes.ts";
import { placeConfiguration, type StepSecret, withSecrets } from "./secret-files.ts";
import { type SnapshotLayer, snapshot, snapshotStack } from "./snapshot.ts";
import { snapshotPlace } from "./snapshot-place.ts";
import {
  makeStepDirectory,
  removeAbandonedSteps,
  removeStepDirectory,
  type StepDirectory,
} from "./step-directory.ts";
import { runToEnd, type StepOutput, stepCommand, stepFiles, type WrittenPlace } from "./step-launch.ts";
import { type StepNetwork, stepNetwork } from "./step-network.ts";
import { mostProcesses, stepSpec } from "./step-spec.ts";
import { type LeftFiles, leftInDirectory, leftInTar } from "./upper.ts";
import { requireNamespace, subordinateHint } from "./user-namespace.ts";

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
  await removeAbandonedSteps(environment);
  const lowers = await snapshotStack(layers, setup.privilege, work, environment);
  const network = await stepNetwork(step, setup.privilege, work, environment);
  try {
    const running = { step, account, setup, network, work, environment, output };
    const laid = await runOnce(running, lowers);
    if (laid !== undefined) return laid;
    // No overlay here: the program gets a copy of everything.
    const whole = await snapshot(top.key, top.tree, work, environment);
    const copied = await runOnce(running, [], whole.rootfs);
    if (copied !== undefined) return copied;
    throw new Error("Internal error: a step with a copy of its tree was not run");
  } finally {
    await network.release();
  }
}

interface Running {
  readonly step: BuildStep;
  readonly account: Account;
  readonly setup: Setup;
  readonly network: StepNetwork;
  readonly work: Work;
  readonly environment: Environment;
  readonly output: StepOutput;
}

/** Answers with nothing when the directories cannot be laid over one another. */
async function runOnce(
  running: Running,
  lowers: readonly string[],
  copy?: string,
): Promise<BuildStepResult | undefined> {
  const { step, account, setup, network, work, environment, output } = running;
  const directory = await makeStepDirectory(lowers, environment);
  const discard = (): Promise<void> => removeStepDirectory(directory, setup.privilege);
  try {
    const spec = await stepSpec(withSecrets(step, directory.path), account, setup, directory, network);
    const given = await placeConfiguration(spec, step.secrets, directory.path, setup.privilege);
    const bundle: Bundle = {
      id: directory.id,
      directory: directory.path,
      privilege: setup.privilege,
      uid: account.uid,
      gid: account.gid,
      namespaces: spec.linux.namespaces,
      ...(network.network === undefined ? {} : { network: network.network.hold }),
    };
    const group =
      setup.limits || setup.privilege !== "root"
        ? undefined
        : await limitProcesses(directory.id, mostProcesses);
    const line = await stepCommand(
      {
        bundle,
        setup,
        lowers: lowers.length,
        ...(copy === undefined ? {} : { copy }),
        pack: setup.privilege !== "root",
        groups: group === undefined ? [] : [group],
      },
      environment,
    );
    const ended = await runToEnd(line, work, output, given);
    work.signal.throwIfAborted();
    const result = await resultIn(directory, running, ended);
    if (result === undefined) await discard();
    return result === undefined ? undefined : { ...result, discard };
  } catch (error) {
    await discard();
    throw explainSystemError(error, "run a command of the build");
  }
}

async function resultIn(
  directory: StepDirectory,
  { step, account, setup, environment }: Running,
  ended: number,
): Promise<Omit<BuildStepResult, "discard"> | undefined> {
  const files = stepFiles(directory.path);
  const written = readOr(files.written, "").trim() as WrittenPlace | "";
  if (written === "none") return undefined;
  const failure = runtimeFailure(files.log);
  const status = Number.parseInt(readOr(files.status, ""), 10);
  if (written === "" || Number.isNaN(status) || (ended !== 0 && failure === undefined)) {
    throw new WhittleError("CONTAINER_FAILED", `Cannot run ${step.args[0]}: ${failure ?? `status ${ended}`}`);
  }
  const left = await leftFiles(directory, written, setup, account);
  return {
    status: failure === undefined ? status : failureStatus(failure),
    ...(failure === undefined ? {} : { failure }),
    ...(setup.privilege === "single" ? { hint: `only one user exists here: ${subordinateHint()}` } : {}),
    left,
    keep: async (key, changes) => {
      if (written !== "upper") return;
      const place = snapshotPlace(key, "layer", setup.privilege, environment);
      await keepUpper(directory.path, left, changes, place, setup.privilege);
    },
  };
}

async function leftFiles(
  directory: StepDirectory,
  written: WrittenPlace,
  setup: Setup,
  { uid, gid }: Account,
): Promise<LeftFiles> {
  const whole = written === "root";
  const { tar } = stepFiles(directory.path);
  const about = await stat(tar).catch(() => undefined);
  if (about === undefined) return leftInDirectory(join(directory.path, written), whole);
  const left = await leftInTar(fileContent(tar, about.size), whole);
  return setup.privilege === "single" ? { ...left, onlyOwner: { uid, gid } } : left;
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
