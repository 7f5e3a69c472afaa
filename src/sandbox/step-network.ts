import { type Environment, WhittleError, type Work } from "../io/index.ts";
import type { BuildStep } from "./build-step.ts";
import { Network } from "./network.ts";
import { findOutbound } from "./outbound.ts";
import { choosePrivilege, type Privilege } from "./privilege.ts";
import { canMakeNamespace } from "./user-namespace.ts";

/** The network of a step while it runs. */
export interface StepNetwork {
  /** What is entered before anything else is made; nothing where the step sees the machine's, or makes one itself. */
  readonly network: Network | undefined;
  readonly mode: "own" | "none" | "host";
  /** Gives it back. */
  release(): Promise<void>;
}

const nothing = { network: undefined, release: async (): Promise<void> => undefined };

// Making one takes as long as a short step, and a step leaves nothing in it: its processes have ended and it has no
// rights over interfaces and routes. So the next one gets it, as in BuildKit's pool.
const idle: IdleNetwork[] = [];
const mostIdleTime = 1000;

interface IdleNetwork {
  readonly privilege: Privilege;
  readonly network: Promise<Network>;
}

let anyMade = false;

/** Begins to make the network of a build's first step, which is not there yet. */
export async function expectNetwork(
  step: Pick<BuildStep, "network">,
  work: Work,
  environment: Environment,
): Promise<void> {
  if (anyMade || step.network !== "default") return;
  anyMade = true;
  if ((await findOutbound(environment)) === undefined) return;
  const privilege = await choosePrivilege(environment);
  if (!(await canMakeNamespace(privilege))) return;
  keepIdle({ privilege, network: Network.create(privilege, false, work, environment) });
}

/**
 * The network that a step asks for. By default that is one of its own with a way out; where no program for that is
 * installed it is the machine's, as in `--network host`, and a warning says so.
 */
export async function stepNetwork(
  step: BuildStep,
  privilege: Privilege,
  work: Work,
  environment: Environment,
): Promise<StepNetwork> {
  if (step.network !== "default") return { ...nothing, mode: step.network };
  if ((await findOutbound(environment)) === undefined) {
    warn(
      work,
      "there is no slirp4netns or pasta, or /dev/net/tun may not be opened",
      "apt-get install slirp4netns",
    );
    return { ...nothing, mode: "host" };
  }
  anyMade = true;
  const at = idle.findIndex((known) => known.privilege === privilege);
  const [known] = at < 0 ? [] : idle.splice(at, 1);
  try {
    const network = await (known?.network ?? Network.create(privilege, false, work, environment));
    const release = async (): Promise<void> => {
      if (step.insecure) await network.close();
      else keepIdle({ privilege, network: Promise.resolve(network) });
    };
    return { network, mode: "own", release };
  } catch (error) {
    if (!(error instanceof WhittleError) || error.code !== "ENVIRONMENT") throw error;
    warn(work, error.message, error.hint ?? "");
    return { ...nothing, mode: "host" };
  }
}

/** Keeps a network for the next step for a moment; nobody waits for that moment to pass. */
function keepIdle(entry: IdleNetwork): void {
  idle.push(entry);
  // Why it could not be made is told to who takes it.
  entry.network.catch(() => undefined);
  setTimeout(() => {
    const at = idle.indexOf(entry);
    if (at < 0) return;
    idle.splice(at, 1);
    void entry.network.then((network) => network.close()).catch(() => undefined);
  }, mostIdleTime).unref();
}

let warned = false;

function warn(work: Work, why: string, hint: string): void {
  if (warned) return;
  warned = true;
  const advice = hint === "" ? "" : ` (${hint})`;
  work.progress({
    kind: "warning",
    text: `commands of the build see the machine's network: ${why}${advice}`,
  });
}
