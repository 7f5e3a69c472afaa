import { Command, CommanderError, Help, InvalidArgumentError, Option } from "commander";
import { printable } from "./paint.ts";
import { type ProgressMode, progressModes } from "./progress.ts";
import { verbs } from "./verbs.ts";
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
    .addOption(progressOption().default("auto").env("BUILDKIT_PROGRESS"))
    .addOption(
      new Option("--log-level <level>", "how much is told on standard error")
        .choices(["debug", "info", "warn", "error"])
        .default("info"),
    )
    .option("--no-color", "no colours (NO_COLOR is honoured as well)")
    .helpOption("-h, --help", "show this help")
    .showSuggestionAfterError(true)
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({
      showGlobalOptions: true,
      // A list that is empty is not worth a word.
      optionDescription: (option) =>
        Array.isArray(option.defaultValue) && option.defaultValue.length === 0
          ? option.description
          : Help.prototype.optionDescription(option),
    })
    .configureOutput({ outputError: (text, write) => write(usageError(text, process.argv.slice(2))) });
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

/** A mistake in the command line, worded as all errors are. */
function usageError(text: string, words: readonly string[]): string {
  const [message = "", ...more] = text
    .replace(/^error: /, "")
    .trimEnd()
    .split("\n");
  const verb = verbs.find(({ name }) => words.includes(name))?.name;
  const hints = more.length > 0 ? more.map((line) => line.replace(/^\((.*)\)$/, "$1")) : [helpHint(verb)];
  const lines = [
    `whittle: Cannot read the command line: ${message}`,
    ...hints.map((hint) => `hint: ${hint}`),
  ];
  return `${printable(lines.join("\n"))}\n`;
}

function helpHint(verb: string | undefined): string {
  return `whittle ${verb === undefined ? "" : `${verb} `}--help`;
}

/** Docker's own names for two of the modes are taken as well. */
const progressNames: Readonly<Record<string, ProgressMode>> = {
  ...Object.fromEntries(progressModes.map((mode) => [mode, mode])),
  rawjson: "json",
  none: "quiet",
};

function progressOption(): Option {
  return new Option("--progress <mode>", "how progress is shown")
    .choices([...progressModes])
    .argParser((text): ProgressMode => {
      const mode = progressNames[text];
      if (mode !== undefined) return mode;
      throw new InvalidArgumentError(`Allowed choices are ${progressModes.join(", ")}.`);
    });
}

/** Global options are taken after the verb as well, as docker and git have taught people to type them. */
export function addGlobalOptions(command: Command): void {
  command.addOption(new Option("--store <dir>", "where images are kept").hideHelp());
  command.addOption(progressOption().hideHelp());
  command.addOption(new Option("--log-level <level>", "how much is told").hideHelp());
  command.addOption(new Option("--no-color", "no colours").hideHelp());
}
