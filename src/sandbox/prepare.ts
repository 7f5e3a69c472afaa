import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatPlatform, hostPlatform } from "../image/index.ts";
import { type Environment, explainSystemError, WhittleError, type Work } from "../io/index.ts";
import { type Account, findAccount } from "./accounts.ts";
import type { Bundle } from "./driver.ts";
import { requireExecutable } from "./emulation.ts";
import { findInit } from "./init.ts";
import { readInside } from "./inside.ts";
import { cgroupMode, heldCapabilities } from "./machine.ts";
import { containerResolver, writeMachineFiles } from "./machine-files.ts";
import { checkName, nameFromId } from "./names.ts";
import { Network } from "./network.ts";
import type { NetworkMode, RunnableImage, RunOptions } from "./options.ts";
import { discardOwn, type PlacedVolumes, placeVolumes } from "./place-volumes.ts";
import { podHosts, podMembers, podNetwork, whileNobodyStarts } from "./pod.ts";
import { containerCommand, containerEnvironment } from "./process.ts";
import { noRestart } from "./restart.ts";
import { chooseSetup, type Setup } from "./runtimes.ts";
import { runtimeSpec } from "./spec.ts";
import {
  type ContainerState,
  containerDirectory,
  identify,
  listContainers,
  makeContainersDirectory,
  newContainerId,
  writeState,
} from "./state.ts";

/** A container that is ready to be started: its directory and configuration are written. */
export interface Prepared {
  readonly bundle: Bundle;
  readonly setup: Setup;
  readonly state: ContainerState;
  /** The network of its own or its pod's, held open. */
  readonly network: Network | undefined;
  readonly terminal: boolean;
}

/**
 * Decides everything about a container, refuses what cannot work, and writes its directory.
 *
 * @throws WhittleError `USAGE`, `NOT_FOUND` or `ENVIRONMENT`
 */
export async function prepareContainer(
  image: RunnableImage,
  options: RunOptions,
  work: Work,
  environment: Environment,
): Promise<Prepared> {
  requireExecutable(image.platform, image.name);
  const args = containerCommand(image.name, image.config, options);
  const account = await accountOf(image, options.user);
  const setup = await chooseSetup(environment, options.driver, account.uid);
  warnOfLimits(options, setup, work);
  const init = options.init ? await findInit(environment) : undefined;
  const plan = { image, options, args, account, setup, init };
  // A pod's network is found and joined while no other container starts; one of its own need not wait for that.
  const pod = options.pod === undefined ? undefined : checkName(options.pod);
  const mode = networkMode(options);
  const create = mode === "default" && pod === undefined;
  let network = create ? await Network.create(setup.privilege, false, work, environment) : undefined;
  try {
    return await whileNobodyStarts(environment, work.signal, async () => {
      if (pod !== undefined) network = await podNetwork(pod, setup.privilege, work, environment);
      return await writeContainer(plan, network, environment);
    });
  } catch (error) {
    await network?.close();
    throw error;
  }
}

function networkMode({ network = "default", pod }: RunOptions): NetworkMode {
  if (pod === undefined || network === "default") return network;
  throw new WhittleError("USAGE", `Cannot use the network "${network}" in the pod ${pod}: a pod has its own`);
}

/** What was decided about a container before its network is known. */
interface Plan {
  readonly image: RunnableImage;
  readonly options: RunOptions;
  readonly args: readonly string[];
  readonly account: Account;
  readonly setup: Setup;
  readonly init: string | undefined;
}

async function writeContainer(
  { image, options, args, account, setup, init }: Plan,
  network: Network | undefined,
  environment: Environment,
): Promise<Prepared> {
  const id = newContainerId();
  const name = options.name === undefined ? nameFromId(id) : checkName(options.name);
  const hostname = options.hostname ?? id.slice(0, 12);
  const aliases = (options.aliases ?? []).map(checkName);
  const members = options.pod === undefined ? [] : await podMembers(options.pod, environment);
  const directory = await makeDirectory(id, name, environment);
  let volumes: PlacedVolumes = { shown: [], mounts: [] };
  try {
    volumes = await placeVolumes(image, options, setup.privilege, environment);
    const env = containerEnvironment(image.config, options, account, hostname);
    const cwd = options.workingDirectory ?? (image.config.WorkingDir || "/");
    const spec = runtimeSpec({
      id,
      hostname,
      process: { args, env, cwd, account, terminal: options.terminal ?? false },
      options,
      mounts: {
        rootless: setup.privilege !== "root",
        ttyGroup: setup.privilege !== "single",
        cgroups: setup.showCgroups,
        foreignNetwork: setup.privilege === "single" && (account.uid !== 0 || account.gid !== 0),
        files: await writeMachineFiles(directory, hostname, [name, ...aliases], {
          hosts: [
            ...(options.extraHosts ?? []).map((host) => `${host.address}\t${host.name}`),
            ...podHosts(members),
          ],
          resolver: containerResolver(network?.hold.nameserver, options.dns),
        }),
        volumes: volumes.mounts,
      },
      architecture: hostPlatform().architecture,
      held: heldCapabilities(),
      limits: setup.limits,
      cgroupNamespace: setup.limits && cgroupMode() === "v2",
      inNetwork: network !== undefined,
      ...(init === undefined ? {} : { init }),
    });
    await writeBundle(directory, image, JSON.stringify(spec));
    const supervisor = identify(process.pid);
    if (supervisor === undefined) throw new Error("Internal error: /proc does not show this process");
    const state: ContainerState = {
      id,
      name,
      image: image.name,
      ...(image.digest === undefined ? {} : { digest: image.digest }),
      platform: formatPlatform(image.platform),
      command: args,
      driver: setup.driver.name,
      privilege: setup.privilege,
      status: "created",
      created: new Date().toISOString(),
      supervisor,
      ports: options.publish ?? [],
      ...(options.pod === undefined ? {} : { pod: options.pod }),
      aliases,
      network: { mode: networkMode(options), ...(network === undefined ? {} : { hold: network.hold }) },
      restart: options.restart ?? noRestart,
      restarts: 0,
      mounts: volumes.shown,
      stopSignal: options.stopSignal ?? image.config.StopSignal ?? "SIGTERM",
      remove: options.remove ?? false,
      labels: { ...image.config.Labels, ...options.labels },
      joining: {
        env,
        cwd,
        account,
        capAdd: options.capAdd ?? [],
        capDrop: options.capDrop ?? [],
        namespaces: spec.linux.namespaces,
      },
    };
    await writeState(state, environment);
    const bundle: Bundle = {
      id,
      directory,
      privilege: setup.privilege,
      uid: account.uid,
      gid: account.gid,
      namespaces: spec.linux.namespaces,
      ...(network === undefined ? {} : { network: network.hold }),
    };
    return { bundle, setup, state, network, terminal: options.terminal ?? false };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    await discardOwn(volumes.shown, environment);
    throw explainSystemError(error, "prepare the container");
  }
}

/** Looks a user up in an image's own files. */
export async function accountOf(image: RunnableImage, user: string | undefined): Promise<Account> {
  const [passwd = "", group = ""] = await Promise.all([
    readInside(image.rootfs, "/etc/passwd"),
    readInside(image.rootfs, "/etc/group"),
  ]);
  return findAccount(user ?? image.config.User ?? "", passwd, group);
}

async function makeDirectory(id: string, name: string, environment: Environment): Promise<string> {
  await makeContainersDirectory(environment);
  const taken = (await listContainers(environment)).find((state) => state.name === name);
  if (taken !== undefined) {
    throw new WhittleError(
      "USAGE",
      `Cannot name a container "${name}": ${taken.id.slice(0, 12)} has that name and is ${taken.status}`,
      { hint: `whittle rm ${taken.status === "running" ? "-f " : ""}${name}` },
    );
  }
  const directory = containerDirectory(id, environment);
  // The container's user has to get through to its root; the directory above keeps everybody else out.
  await mkdir(directory, { mode: 0o755 });
  return directory;
}

async function writeBundle(directory: string, image: RunnableImage, spec: string): Promise<void> {
  for (const name of ["root", "upper", "work", "runtime"]) await mkdir(join(directory, name));
  await symlink(image.rootfs, join(directory, "lower"));
  await writeFile(join(directory, "config.json"), spec);
}

function warnOfLimits(options: RunOptions, setup: Setup, work: Work): void {
  const asked = [
    options.memory === undefined ? "" : "memory",
    options.cpus === undefined ? "" : "processor",
    options.pidsLimit === undefined ? "" : "process",
  ].filter((word) => word !== "");
  if (asked.length === 0 || setup.limits) return;
  const why = setup.privilege === "root" ? `the ${setup.driver.name} driver` : "an ordinary user's container";
  work.progress({
    kind: "warning",
    text: `no ${asked.join(" and ")} limit: ${why} has no control groups here`,
  });
}
