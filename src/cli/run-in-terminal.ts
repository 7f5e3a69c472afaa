import {
  formatPublished,
  type RunnableImage,
  type RunningContainer,
  type RunOptions,
  startContainer,
} from "../sandbox/index.ts";
import type { VerbContext } from "./verb.ts";

/** Runs a container to its end as if it were this process: with its streams, and the signals that it gets. */
export async function runInTerminal(
  image: RunnableImage,
  options: RunOptions,
  context: VerbContext,
): Promise<number> {
  const started = Promise.withResolvers<RunningContainer>();
  let restore = (): void => undefined;
  try {
    const container = await startContainer(image, options, {
      streams: { stdin: options.interactive ? "inherit" : "ignore", output: "inherit" },
      work: context,
      environment: context.environment,
      // What comes while the program starts is for the program.
      prepared: () => {
        restore = forwardSignals((name) => void started.promise.then((container) => container.signal(name)));
      },
    });
    if (options.publish?.some(({ hostPort }) => hostPort === 0)) {
      for (const port of container.ports) context.err(`${formatPublished(port)}\n`);
    }
    started.resolve(container);
    return await container.exited;
  } finally {
    restore();
  }
}

const forwarded = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
/** Who asks so often does not want to wait for the program any more. */
const patience = 3;

/** Gives the container the signals that this process gets, in place of what they would do here. */
function forwardSignals(send: (name: NodeJS.Signals) => void): () => void {
  let asked = 0;
  const forward = (name: NodeJS.Signals): void => {
    if (name === "SIGINT" || name === "SIGTERM") asked++;
    send(asked >= patience ? "SIGKILL" : name);
  };
  const before = forwarded.map((name) => [name, process.listeners(name)] as const);
  for (const name of forwarded) process.removeAllListeners(name).on(name, forward);
  return () => {
    for (const [name, listeners] of before) {
      process.off(name, forward);
      for (const listener of listeners) process.on(name, listener as NodeJS.SignalsListener);
    }
  };
}
