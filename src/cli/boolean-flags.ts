import type { Command } from "commander";
import { WhittleError } from "../io/index.ts";

const truths: Readonly<Record<string, boolean>> = Object.fromEntries([
  ...["1", "t", "T", "true", "TRUE", "True"].map((word) => [word, true]),
  ...["0", "f", "F", "false", "FALSE", "False"].map((word) => [word, false]),
]);

/** What a word says as the value of a switch, in the spellings that Go's flags take (strconv.ParseBool). */
export function truthOf(word: string): boolean | undefined {
  return truths[word];
}

/**
 * Makes a command take `--pull=false` and `--no-cache=true`, as docker's flags may be written; commander itself
 * knows a switch as there or not. The last one said counts.
 */
export function takeBooleanValues(command: Command): void {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (words) => parse(withoutBooleanValues(command, words));
}

function withoutBooleanValues(command: Command, words: readonly string[]): string[] {
  const kept: string[] = [];
  for (const [index, word] of words.entries()) {
    if (word === "--") return [...kept, ...words.slice(index)];
    const [, name = "", value = ""] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
    const option = command.options.find(({ long }) => long === name);
    if (option === undefined || option.required || option.optional) {
      kept.push(word);
      continue;
    }
    const said = truthOf(value);
    if (said === undefined) {
      throw new WhittleError("USAGE", `Cannot use ${word}: ${name} takes true or false`);
    }
    if (said) kept.push(name);
    else kept.splice(0, kept.length, ...kept.filter((before) => before !== name && before !== option.short));
  }
  return kept;
}
