import { removeContainer } from "../../sandbox/index.ts";
import { namedContainers } from "../named-containers.ts";
import type { VerbModule } from "../verb.ts";

interface Flags {
  readonly force?: boolean;
  readonly volumes?: boolean;
  readonly pod?: string;
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("[container...]", "names or ids")
      .option("-f, --force", "end those that run")
      .option("-v, --volumes", "remove the volumes that were made for them alone as well")
      .option("--pod <name>", "all containers of a pod")
      .addHelpText("after", "\nExamples:\n  whittle rm -f -v api db\n  whittle rm -f --pod shop\n")
      .action((names: string[], { force = false, volumes, pod }: Flags) =>
        run(async ({ environment, out }) => {
          for (const { state, word } of await namedContainers(names, pod, environment)) {
            await removeContainer(state, environment, { force, volumes: volumes ?? state.remove });
            out(`${word}\n`);
          }
          return 0;
        }),
      );
  },
};
