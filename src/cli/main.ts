import { type Command, CommanderError } from "commander";
import { explainSystemError, storeDirectory, WhittleError } from "../io/index.ts";
import type { Store } from "../store/index.ts";
import { addGlobalOptions, createProgram, type GlobalOptions } from "./global-options.ts";
import { type ProgressMode, type ProgressView, progressView } from "./progress.ts";
import { errorJson, exitStatus, renderError } from "./report.ts";
import type { VerbContext } from "./verb.ts";
import { type VerbEntry, verbs } from "./verbs.ts";

/**
 * Runs the program with its arguments (without `node` and the script) and sets the process's exit status:
 * 0 done, 1 the answer is no, 2 usage, 3 environment, 4 the work failed, 130 interrupted.
 */
export async function main(argv: readonly string[]): Promise<void> {
  // Help is printed without a verb that watches its output; who has read enough of it goes away.
  process.stdout.on("error", () => undefined);
  const program = createProgram();
  const verb = verbs.find((entry) => entry.name === verbOf(argv));
  // Only the verb that is used is loaded and defined; the others are names with a summary.
  for (const entry of verbs) await addVerb(program, entry, entry === verb);
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    process.exitCode = failed(error, program.opts<GlobalOptions>());
  }
}

async function addVerb(program: Command, entry: VerbEntry, used: boolean): Promise<void> {
  const command = program.command(entry.name).description(entry.summary).exitOverride();
  command.showSuggestionAfterError(true);
  command.helpOption("-h, --help", "show this help");
  if (!used) return;
  addGlobalOptions(command);
  (await entry.load()).define(command, (action) => perform(program, command, action));
}

async function perform(
  program: Command,
  command: Command,
  action: (context: VerbContext) => Promise<number | undefined>,
): Promise<void> {
  const before = program.opts<GlobalOptions>();
  const after = command.opts<Partial<GlobalOptions>>();
  const options: GlobalOptions = {
    progress: after.progress ?? before.progress,
    color: before.color && after.color !== false,
    logLevel: after.logLevel ?? before.logLevel,
    ...((after.store ?? before.store) === undefined ? {} : { store: after.store ?? before.store ?? "" }),
  };
  const controller = new AbortController();
  const interrupt = (): void => {
    // A second signal means that the person will not wait for a clean end.
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new WhittleError("INTERRUPTED", "Interrupted"));
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  const output = watchOutput(controller, options);
  const view = progressView(quietByLevel(options), process.stderr, colourOn(options, process.stderr));
  const context = createContext(options, view, controller.signal);
  try {
    const status = (await action(context)) ?? 0;
    if (!output.failed()) process.exitCode = status;
  } catch (error) {
    view.stop();
    if (output.failed()) return;
    process.exitCode = failed(controller.signal.aborted ? interruption(error) : error, options);
  } finally {
    view.stop();
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}

/**
 * A reader that went away (`whittle tree … | head -1`) has what it wanted: the verb ends, quietly. Output that
 * cannot be written for another reason is an error. Standard error that nobody reads is no reason to stop.
 */
function watchOutput(controller: AbortController, options: GlobalOptions): { failed(): boolean } {
  let broken = false;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (broken) return;
    broken = true;
    process.exitCode =
      error.code === "EPIPE" ? 0 : failed(explainSystemError(error, "write to standard output"), options);
    controller.abort(new WhittleError("INTERRUPTED", "Interrupted: nobody reads the output"));
  });
  process.stderr.on("error", () => undefined);
  return { failed: () => broken };
}

function createContext(options: GlobalOptions, view: ProgressView, signal: AbortSignal): VerbContext {
  let store: Promise<Store> | undefined;
  const directory = options.store ?? storeDirectory();
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    progress: view.progress,
    endProgress: () => view.stop(),
    signal,
    environment: process.env,
    storeDirectory: directory,
    store: () => {
      store ??= import("../store/index.ts").then(({ openStore }) => openStore(directory, { create: true }));
      return store;
    },
    colour: colourOn(options, process.stdout),
    columns: process.stdout.columns ?? 80,
    currentDirectory: process.cwd(),
  };
}

function quietByLevel(options: GlobalOptions): ProgressMode {
  return options.logLevel === "warn" || options.logLevel === "error" ? "quiet" : options.progress;
}

function colourOn(options: GlobalOptions, stream: NodeJS.WriteStream): boolean {
  const refused = process.env["NO_COLOR"];
  return options.color && stream.isTTY === true && (refused === undefined || refused === "");
}

function interruption(error: unknown): unknown {
  if (error instanceof WhittleError && error.code === "INTERRUPTED") return error;
  return new WhittleError(
    "INTERRUPTED",
    "Interrupted: what was finished is kept, the next run goes on from there",
  );
}

function failed(error: unknown, options: GlobalOptions): number {
  if (error instanceof CommanderError) {
    // Its message, or the help that was asked for, is printed.
    return error.exitCode === 0 ? 0 : 2;
  }
  if (process.env["WHITTLE_DEBUG"] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.stderr.write(
    options.progress === "json"
      ? `${JSON.stringify({ kind: "error", ...errorJson(error) })}\n`
      : renderError(error, colourOn(options, process.stderr)),
  );
  return exitStatus(error);
}

/** The first word that is not a global option or its value. */
function verbOf(argv: readonly string[]): string | undefined {
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (word === "help") return argv[index + 1];
    if (!word.startsWith("-")) return word;
    if (["--store", "--progress", "--log-level"].includes(word)) index++;
  }
  return undefined;
}
