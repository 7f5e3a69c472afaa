import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Environment, explainSystemError, fileContent, WhittleError, type Work } from "../io/index.ts";
import type { Account } from "./accounts.ts";
import type { BuildStep, BuildStepResult } from "./build-step.ts";
import { limitProcesses } from "./control-groups.ts";
import type { Bundle } from "./driver.ts";
import { failureStatus, runtimeFailure } from "./failure.ts";
import { keepUpper } from "./keep-upper.ts";
import { readOr } from "./machine.ts";
import type { Setup } from "./runtimes.ts";
import { placeConfiguration, withSecrets } from "./secret-files.ts";
import { snapshotPlace } from "./snapshot-place.ts";
import { makeStepDirectory, removeStepDirectory, type StepDirectory } from "./step-directory.ts";
import {
  againHere,
  runToEnd,
  type StepOutput,
  stepCommand,
  stepFiles,
  type WrittenPlace,
} from "./step-launch.ts";
import { stepNetwork } from "./step-network.ts";
import { mostProcesses, stepSpec } from "./step-spec.ts";
import { type LeftFiles, leftInDirectory, leftInTar } from "./upper.ts";
import { subordinateHint } from "./user-namespace.ts";

/** What a step runs with, whatever its tree is put together from. */
export interface StepSituation {
  readonly step: BuildStep;
  readonly account: Account;
  readonly setup: Setup;
  readonly work: Work;
  readonly environment: Environment;
}

/**
 * Runs a step over directories that are laid over one another, or over a copy of one.
 *
 * @returns nothing when the directories cannot be laid over one another here
 */
export async function attempt(
  situation: StepSituation,
  lowers: readonly string[],
  copy: string | undefined,
  output: StepOutput,
): Promise<BuildStepResult | undefined> {
  const directory = await makeStepDirectory(lowers, situation.environment);
  const discard = (): Promise<void> => removeStepDirectory(directory, situation.setup.privilege);
  try {
    const ended = await launch(situation, directory, { lowers: lowers.length, copy, output });
    situation.work.signal.throwIfAborted();
    const result = await resultIn(directory, situation, ended);
    if (result === undefined) await discard();
    return result === undefined
      ? undefined
      : { ...result, look: lookIn(situation, directory, lowers), discard };
  } catch (error) {
    await discard();
    throw explainSystemError(error, "run a command of the build");
  }
}

interface Launching {
  readonly lowers: number;
  readonly copy: string | undefined;
  readonly output: StepOutput | "inherit";
}

async function launch(
  { step, account, setup, work, environment }: StepSituation,
  directory: StepDirectory,
  { lowers, copy, output }: Launching,
): Promise<number> {
  const network = await stepNetwork(step, setup.privilege, work, environment);
  try {
    const terminal = output === "inherit" && process.stdin.isTTY && process.stdout.isTTY;
    const spec = await stepSpec(withSecrets(step, directory.path), {
      account,
      setup,
      directory,
      network,
      terminal,
    });
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
    // Runtimes as root have control groups made; nobody else can.
    const ungrouped = !setup.limits && setup.privilege === "root";
    const group = ungrouped ? await limitProcesses(directory.id, step.pidsLimit ?? mostProcesses) : undefined;
    const line = await stepCommand(
      {
        bundle,
        setup,
        lowers,
        ...(copy === undefined ? {} : { copy }),
        pack: setup.privilege !== "root" && output !== "inherit",
        groups: group === undefined ? [] : [group],
      },
      environment,
    );
    return await runToEnd(line, work, output, given);
  } finally {
    await network.release();
  }
}

/** How a person looks around in what a step left. */
function lookIn(
  situation: StepSituation,
  directory: StepDirectory,
  lowers: readonly string[],
): (args: readonly string[]) => Promise<number> {
  return async (args) => {
    const step = { ...situation.step, args };
    const copied = lowers.length === 0 ? againHere : undefined;
    const { status: statusFile, log } = stepFiles(directory.path);
    // What they say is about the step.
    for (const file of [statusFile, log]) await rm(file, { force: true });
    const ended = await launch({ ...situation, step }, directory, {
      lowers: lowers.length,
      copy: copied,
      output: "inherit",
    });
    const failure = runtimeFailure(log);
    if (failure !== undefined)
      throw new WhittleError("CONTAINER_FAILED", `Cannot run ${args[0]}: ${failure}`);
    const status = Number.parseInt(readOr(statusFile, ""), 10);
    return Number.isNaN(status) ? ended : status;
  };
}

function hintOf(
  failure: string | undefined,
  { args: [program = ""] }: BuildStep,
  { privilege }: Setup,
): { readonly hint?: string } {
  if (failure !== undefined && failureStatus(failure) === 127) {
    return {
      hint: `the stage has no ${program}: build on an image that has it, or name another program in the form RUN ["PROGRAM", "ARGUMENT"]`,
    };
  }
  return privilege === "single" ? { hint: `only one user exists here: ${subordinateHint()}` } : {};
}

async function resultIn(
  directory: StepDirectory,
  { step, account, setup, environment }: StepSituation,
  ended: number,
): Promise<Omit<BuildStepResult, "discard" | "look"> | undefined> {
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
    ...hintOf(failure, step, setup),
    left,
    keep: async (key, changes) => {
      if (written !== "upper") return;
      const place = snapshotPlace(key, "layer", setup.privilege, environment);
      // Without it the next step makes its snapshot from the layer.
      await keepUpper(directory.path, left, changes, place, setup.privilege).catch(() => undefined);
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
