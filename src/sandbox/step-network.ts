import { type Environment, WhittleError, type Work } from "../io/index.ts";
import type { BuildStep } from "./build-step.ts";
import { Network } from "./network.ts";
import { findOutbound } from "./outbound.ts";
import type { Privilege } from "./privilege.ts";

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
const idle: { readonly privilege: Privilege; readonly network: Network }[] = [];
const mostIdleTime = 1000;

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
  const at = idle.findIndex((known) => known.privilege === privilege);
  const [known] = at < 0 ? [] : idle.splice(at, 1);
  try {
    const network = known?.network ?? (await Network.create(privilege, false, work, environment));
    const reused = !step.insecure;
    return { network, mode: "own", release: () => (reused ? keepIdle(privilege, network) : network.close()) };
  } catch (error) {
    if (!(error instanceof WhittleError) || error.code !== "ENVIRONMENT") throw error;
    warn(work, error.message, error.hint ?? "");
    return { ...nothing, mode: "host" };
  }
}

/** Keeps a network for the next step for a moment; nobody waits for that moment to pass. */
async function keepIdle(privilege: Privilege, network: Network): Promise<void> {
  const entry = { privilege, network };
  idle.push(entry);
  setTimeout(() => {
    const at = idle.indexOf(entry);
    if (at < 0) return;
    idle.splice(at, 1);
    void network.close().catch(() => undefined);
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
