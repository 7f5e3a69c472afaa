import { WhittleError } from "../../io/index.ts";
import { stopContainer, waitForSupervisor } from "../../sandbox/index.ts";
import { namedContainers } from "../named-containers.ts";
import type { VerbContext, VerbModule } from "../verb.ts";

interface Flags {
  readonly time: string;
  readonly pod?: string;
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("[container...]", "names or ids")
      .option("-t, --time <seconds>", "how long it may take before it is killed", "10")
      .option("--pod <name>", "all containers of a pod")
      .addHelpText("after", "\nExamples:\n  whittle stop -t 1 api db\n  whittle stop --pod shop\n")
      .action((names: string[], flags: Flags) => run((context) => stop(names, flags, context)));
  },
};

async function stop(names: readonly string[], flags: Flags, context: VerbContext): Promise<number> {
  const { environment, out } = context;
  const seconds = Number(flags.time);
  if (flags.time === "" || !(seconds >= 0)) {
    throw new WhittleError("USAGE", `Cannot wait "${flags.time}" seconds: a number is wanted`);
  }
  const containers = await namedContainers(names, flags.pod, environment);
  await Promise.all(
    containers.map(async ({ state, word }) => {
      if (state.status !== "exited") {
        await stopContainer(state, seconds, environment);
        await waitForSupervisor(state, environment);
      }
      out(`${word}\n`);
    }),
  );
  return 0;
}
