import { Command, CommanderError, Option } from "commander";
import { type ProgressMode, progressModes } from "./progress.ts";
import { programVersion } from "./version.ts";

/** Options that every verb takes. */
export interface GlobalOptions {
  readonly store?: string;
  readonly progress: ProgressMode;
  readonly color: boolean;
  readonly logLevel: string;
}

/** The program with its global options and no verbs. */
export function createProgram(): Command {
  const program = new Command("whittle")
    .description("Container images that hold what the application needs and nothing else.")
    .addOption(new Option("--store <dir>", "where images are kept (default: $WHITTLE_STORE, else XDG data)"))
    .addOption(
      new Option("--progress <mode>", "how progress is shown").choices([...progressModes]).default("auto"),
    )
    .addOption(
      new Option("--log-level <level>", "how much is told on standard error")
        .choices(["debug", "info", "warn", "error"])
        .default("info"),
    )
    .option("--no-color", "no colours (NO_COLOR is honoured as well)")
    .helpOption("-h, --help", "show this help")
    .showSuggestionAfterError(true)
    .enablePositionalOptions()
    .exitOverride();
  program.option("--version", "print the version");
  program.on("option:version", () => {
    process.stdout.write(`${programVersion()}\n`);
    throw new CommanderError(0, "commander.version", "");
  });
  program.addHelpText(
    "after",
    "\nExamples:\n  whittle build examples/api-simulator -t api:1\n  whittle run --rm -p 8080:8080 api:1\n",
  );
  return program;
}

/** Global options are taken after the verb as well, as docker and git have taught people to type them. */
export function addGlobalOptions(command: Command): void {
  command.addOption(new Option("--store <dir>", "where images are kept").hideHelp());
  command.addOption(
    new Option("--progress <mode>", "how progress is shown").choices([...progressModes]).hideHelp(),
  );
  command.addOption(new Option("--log-level <level>", "how much is told").hideHelp());
  command.addOption(new Option("--no-color", "no colours").hideHelp());
}
