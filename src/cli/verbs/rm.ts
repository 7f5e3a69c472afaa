import { findContainer, removeContainer } from "../../sandbox/index.ts";
import type { VerbModule } from "../verb.ts";

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<container...>", "names or ids")
      .option("-f, --force", "end those that run")
      .addHelpText("after", "\nExamples:\n  whittle rm api\n  whittle rm -f api db\n")
      .action((names: string[], flags: { readonly force?: boolean }) =>
        run(async ({ environment, out }) => {
          const states = await Promise.all(names.map((name) => findContainer(name, environment)));
          for (const [index, state] of states.entries()) {
            await removeContainer(state, environment, flags.force ?? false);
            out(`${names[index]}\n`);
          }
          return 0;
        }),
      );
  },
};
