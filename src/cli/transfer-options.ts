import { type Command, Option } from "commander";
import { type Platform, parsePlatform } from "../image/index.ts";

/** What every verb that carries images is told of how it prints. */
export interface FormatFlags {
  readonly format: "text" | "json";
}

/** What verbs that carry images away are told of them. */
export interface TransferFlags extends FormatFlags {
  readonly platform?: string;
  readonly referrers: boolean;
}

/** Adds `--format`. */
export function formatOption(command: Command): Command {
  return command.addOption(
    new Option("--format <form>", "how to print").choices(["text", "json"]).default("text"),
  );
}

/** Adds the options of {@link TransferFlags}; `doing` is the verb's own name for it. */
export function transferOptions(command: Command, doing: string): Command {
  command
    .option("--platform <platform>", `${doing} this platform only of an image that has several`)
    .option("--no-referrers", "leave behind what is attached to the image, such as the reasons of its files");
  return formatOption(command);
}

/** The chosen platform as what chooses a part of an image. */
export function chosenPlatform({ platform }: TransferFlags): { readonly platform?: Platform } {
  return platform === undefined ? {} : { platform: parsePlatform(platform) };
}
