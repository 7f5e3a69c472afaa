import { openImage, parsePlatform } from "../../image/index.ts";
import { WhittleError } from "../../io/index.ts";
import {
  formatPublished,
  type RunnableImage,
  runnableImage,
  startContainer,
  startDetached,
} from "../../sandbox/index.ts";
import { readFrom } from "../../store/index.ts";
import { repeated } from "../options.ts";
import { type RunFlags, runOptions } from "../run-options.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<image>", "name in the store, or oci:DIR, oci-archive:FILE, docker-archive:FILE, rootfs:DIR")
      .argument("[command...]", "what to run instead of the image's own command")
      .passThroughOptions()
      .option("-d, --detach", "go on in the background and print the container's id")
      .option("--name <name>", "name of the container")
      .option("--rm", "remove the container when it has ended")
      .option("-p, --publish <[address:]host:container>", "answer a port; repeatable", repeated, [])
      .option("-e, --env <name=value>", "set a variable; repeatable", repeated, [])
      .option("--env-file <file>", "set variables from a file; repeatable", repeated, [])
      .option("-v, --volume <source:destination[:ro]>", "show a file or directory inside", repeated, [])
      .option("--tmpfs <destination[:options]>", "an empty directory in memory", repeated, [])
      .option("--read-only", "make the container's files read-only")
      .option("-u, --user <user[:group]>", "run as this user")
      .option("-w, --workdir <directory>", "run in this directory")
      .option("--entrypoint <program>", "run this instead of the image's entry point")
      .option("--hostname <name>", "the container's own name for itself")
      .option("--platform <platform>", "choose among the image's platforms")
      .option("-m, --memory <bytes>", "limit memory: 64m, 1g")
      .option("--cpus <number>", "limit processors: 0.5")
      .option("--pids-limit <number>", "limit processes")
      .option("--cap-add <name>", "add a capability; repeatable", repeated, [])
      .option("--cap-drop <name>", "drop a capability, or ALL; repeatable", repeated, [])
      .option("--network <mode>", "default (its own), none, or host")
      .option("--pod <name>", "share the network of these containers and find each other by name")
      .option("--init", "put a reaper at PID 1")
      .option("-i, --interactive", "keep standard input open")
      .option("-t, --tty", "give it a terminal")
      .option("--label <name=value>", "add a label; repeatable", repeated, [])
      .option("--stop-signal <signal>", "what asks it to end")
      .option("--driver <name>", "run by runc, crun or plain (default: the best there is)")
      .addHelpText(
        "after",
        "\nExamples:\n  whittle run --rm -p 8080:8080 --read-only api:1\n  whittle run --rm -it --entrypoint /bin/busybox api:1 sh\n",
      )
      .action((image: string, words: string[], flags: RunFlags) =>
        run((context) => runImage(image, words, flags, context)),
      );
  },
};

async function runImage(
  reference: string,
  words: readonly string[],
  flags: RunFlags,
  context: VerbContext,
): Promise<number> {
  const { environment, currentDirectory } = context;
  const options = await runOptions(flags, words, currentDirectory, environment);
  if (flags.tty && flags.interactive && !flags.detach && !process.stdin.isTTY) {
    throw new WhittleError("USAGE", "Cannot give it a terminal: standard input is not one", {
      hint: "use -i without -t",
    });
  }
  const image = await findImage(reference, flags.platform, context);
  if (flags.detach) {
    const state = await startDetached(image, options, context, environment);
    for (const port of state.ports) context.err(`${formatPublished(port)}\n`);
    context.out(`${state.id}\n`);
    return 0;
  }
  const container = await startContainer(image, options, {
    streams: { stdin: flags.interactive ? "inherit" : "ignore", output: "inherit" },
    work: context,
    environment,
  });
  if (options.publish?.some(({ hostPort }) => hostPort === 0)) {
    for (const port of container.ports) context.err(`${formatPublished(port)}\n`);
  }
  const restore = forwardSignals((name) => void container.signal(name));
  try {
    return await container.exited;
  } finally {
    restore();
  }
}

async function findImage(
  reference: string,
  platformText: string | undefined,
  context: VerbContext,
): Promise<RunnableImage> {
  const platform = platformText === undefined ? undefined : parsePlatform(platformText);
  const opened = await readFrom(reference, context, {
    store: await context.store(),
    ...(platform === undefined ? {} : { platform }),
  });
  try {
    const image = await openImage(opened.source, opened.descriptor, platform);
    return await runnableImage(image, reference, context, context.environment);
  } finally {
    await opened.close();
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
