import type { Command } from "commander";
import type { Environment, Progress } from "../io/index.ts";
import type { Store } from "../store/index.ts";

/** What every verb gets from the program around it. */
export interface VerbContext {
  /** Writes to standard output: results only. */
  out(text: string): void;
  /** Writes to standard error. */
  err(text: string): void;
  readonly progress: Progress;
  /** Takes what is drawn of it off the terminal, for somebody else to use that. */
  endProgress(): void;
  readonly signal: AbortSignal;
  readonly environment: Environment;
  /** The store directory that was chosen by `--store`, `$WHITTLE_STORE` or XDG. */
  readonly storeDirectory: string;
  /** Opens the store (once), making it where it does not exist. */
  store(): Promise<Store>;
  /** Whether standard output is a terminal that shows colours. */
  readonly colour: boolean;
  readonly columns: number;
  readonly currentDirectory: string;
}

/** One verb of the command line; its module is loaded only when the verb is used. */
export interface VerbModule {
  /**
   * Adds arguments, options, two examples (`addHelpText`) to the command, and its action. The action answers
   * with the exit status, or nothing for 0.
   */
  define(
    command: Command,
    run: (action: (context: VerbContext) => Promise<number | undefined>) => Promise<void>,
  ): void;
}
