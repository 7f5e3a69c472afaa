import { WhittleError } from "../../io/index.ts";
import { execInContainer, findContainer } from "../../sandbox/index.ts";
import { repeated } from "../options.ts";
import { environmentOf } from "../run-options.ts";
import type { VerbModule } from "../verb.ts";

interface Flags {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly user?: string;
  readonly workdir?: string;
  readonly env: readonly string[];
  readonly envFile: readonly string[];
}

export const command: VerbModule = {
  define(command, run) {
    command
      .argument("<container>", "its name or id")
      .argument("<command...>", "what to run")
      .passThroughOptions()
      .option("-i, --interactive", "keep standard input open")
      .option("-t, --tty", "give it a terminal")
      .option("-u, --user <user[:group]>", "run as this user")
      .option("-w, --workdir <directory>", "run in this directory")
      .option(
        "-e, --env <name=value>",
        "set a variable, or pass one on by its name; repeatable",
        repeated,
        [],
      )
      .option("--env-file <file>", "set variables from a file; repeatable", repeated, [])
      .addHelpText(
        "after",
        "\nExamples:\n  whittle exec api /bin/busybox ps\n  whittle exec -it api /bin/busybox sh\n",
      )
      .action((name: string, words: string[], flags: Flags) =>
        run(async ({ environment, signal, currentDirectory }) => {
          if (flags.tty && flags.interactive && !process.stdin.isTTY) {
            throw new WhittleError("USAGE", "Cannot give it a terminal: standard input is not one", {
              hint: "use -i without -t",
            });
          }
          return execInContainer(await findContainer(name, environment), {
            args: words,
            environment,
            signal,
            env: await environmentOf(flags, currentDirectory, environment),
            ...(flags.user === undefined ? {} : { user: flags.user }),
            ...(flags.workdir === undefined ? {} : { workingDirectory: flags.workdir }),
            terminal: flags.tty ?? false,
            stdin: flags.interactive ? "inherit" : "ignore",
            output: "inherit",
          });
        }),
      );
  },
};
