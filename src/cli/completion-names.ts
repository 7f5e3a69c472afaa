import type { Option } from "commander";
import type { Environment } from "../io/index.ts";
import { createProgram } from "./global-options.ts";
import type { VerbModule } from "./verb.ts";
import { verbs } from "./verbs.ts";

type Kind = "images" | "containers" | "running";

/** What verbs are told names of: as their first word only, or as each. */
const wanted: Readonly<Record<string, { readonly kind: Kind; readonly each?: true }>> = {
  run: { kind: "images" },
  tag: { kind: "images" },
  rmi: { kind: "images", each: true },
  inspect: { kind: "images" },
  tree: { kind: "images" },
  why: { kind: "images" },
  diff: { kind: "images", each: true },
  push: { kind: "images" },
  copy: { kind: "images", each: true },
  logs: { kind: "containers" },
  exec: { kind: "running" },
  stop: { kind: "running", each: true },
  rm: { kind: "containers", each: true },
};

/** The verbs that are told names of images or containers. */
export const verbsOfNames: readonly string[] = Object.keys(wanted);

/** Where names are looked for. */
export interface NamesHome {
  /** Used where the words choose no other. */
  readonly storeDirectory: string;
  readonly environment: Environment;
}

/**
 * The names that may come next in a command line, sorted; none where something else is wanted. A store that is not
 * there is not made.
 *
 * @param words - what stands before the cursor, without the program's name
 */
export async function namesFor(words: readonly string[], home: NamesHome): Promise<readonly string[]> {
  const globals = createProgram().options;
  const before = readWords(words, globals, 1);
  const [verb = ""] = before.operands;
  const entry = verbs.find(({ name }) => name === verb);
  const kind = wanted[verb];
  if (entry === undefined || kind === undefined) return [];
  const options = [...(await optionsOf(await entry.load())), ...globals];
  const { operands, store, open } = readWords(words.slice(before.read), options);
  if (open || (operands.length > 0 && kind.each !== true)) return [];
  const directory = store ?? before.store ?? home.storeDirectory;
  return kind.kind === "images"
    ? imageNames(directory)
    : containerNames(home.environment, kind.kind === "running");
}

async function optionsOf(module: VerbModule): Promise<readonly Option[]> {
  const command = createProgram().command("verb");
  module.define(command, async () => undefined);
  return command.options;
}

interface ReadWords {
  readonly operands: readonly string[];
  /** How many words were read. */
  readonly read: number;
  readonly store: string | undefined;
  /** The last word is an option whose value comes next. */
  readonly open: boolean;
}

/** @param most - stop after so many words that are neither options nor their values */
function readWords(words: readonly string[], options: readonly Option[], most = Infinity): ReadWords {
  const operands: string[] = [];
  let store: string | undefined;
  let read = 0;
  while (read < words.length && operands.length < most) {
    const word = words[read++] ?? "";
    if (word.startsWith("--store=")) store = word.slice("--store=".length);
    if (!word.startsWith("-") || word === "-") operands.push(word);
    else if (options.some(({ short, long, required }) => required && (short === word || long === word))) {
      if (read === words.length) return { operands, read, store, open: true };
      if (word === "--store") store = words[read];
      read++;
    }
  }
  return { operands, read, store, open: false };
}

async function imageNames(directory: string): Promise<readonly string[]> {
  const { openStore } = await import("../store/index.ts");
  const images = await (await openStore(directory)).list();
  return images.map(({ reference }) => reference).sort();
}

async function containerNames(environment: Environment, running: boolean): Promise<readonly string[]> {
  const { listContainers } = await import("../sandbox/index.ts");
  const states = await listContainers(environment);
  return states
    .filter(({ status }) => !running || status === "running" || status === "restarting")
    .map(({ name }) => name)
    .sort();
}
