import { WhittleError } from "../../io/index.ts";
import { findContainer, stopContainer, waitForSupervisor } from "../../sandbox/index.ts";
import type { VerbModule } from "../verb.ts";

interface Flags {
  readonly time: string;
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<container...>", "names or ids")
      .option("-t, --time <seconds>", "how long it may take before it is killed", "10")
      .addHelpText("after", "\nExamples:\n  whittle stop api\n  whittle stop -t 1 api db\n")
      .action((names: string[], flags: Flags) =>
        run(async ({ environment, out }) => {
          const seconds = Number(flags.time);
          if (flags.time === "" || !(seconds >= 0)) {
            throw new WhittleError("USAGE", `Cannot wait "${flags.time}" seconds: a number is wanted`);
          }
          const states = await Promise.all(names.map((name) => findContainer(name, environment)));
          await Promise.all(
            states.map(async (state, index) => {
              if (state.status !== "exited") {
                await stopContainer(state, seconds);
                await waitForSupervisor(state, environment);
              }
              out(`${names[index]}\n`);
            }),
          );
          return 0;
        }),
      );
  },
};
