import { resolve } from "node:path";
import type { Option } from "commander";
import type { Environment } from "../io/index.ts";
import { createProgram } from "./global-options.ts";
import type { VerbModule } from "./verb.ts";
import { verbs } from "./verbs.ts";

type Kind = "images" | "containers" | "running" | "volumes" | "recipe images";

/** What a verb is told names of. */
interface Wanted {
  /** As its first word, or as each. */
  readonly words?: Kind;
  readonly each?: true;
  /** Only after one of these words. */
  readonly after?: readonly string[];
  /** As values of these options. */
  readonly options?: Readonly<Record<string, Kind>>;
}

const wanted: Readonly<Record<string, Wanted>> = {
  build: { options: { "--image": "recipe images" } },
  run: { words: "images", options: { "--image": "recipe images", "--volume": "volumes" } },
  tag: { words: "images" },
  rmi: { words: "images", each: true },
  inspect: { words: "images" },
  tree: { words: "images" },
  why: { words: "images" },
  diff: { words: "images", each: true },
  push: { words: "images" },
  copy: { words: "images", each: true },
  logs: { words: "containers" },
  exec: { words: "running" },
  stop: { words: "running", each: true },
  rm: { words: "containers", each: true },
  volume: { words: "volumes", each: true, after: ["inspect", "rm"] },
};

/** The verbs that are told names. */
export const verbsOfNames: readonly string[] = Object.keys(wanted);

/** Where names are looked for. */
export interface NamesHome {
  /** Used where the words choose no other. */
  readonly storeDirectory: string;
  readonly environment: Environment;
  readonly currentDirectory: string;
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
  const kinds = wanted[verb];
  if (entry === undefined || kinds === undefined) return [];
  const options = [...(await optionsOf(await entry.load())), ...globals];
  const after = readWords(words.slice(before.read), options);
  const kind = after.open === undefined ? kindOfWord(kinds, after.operands) : kinds.options?.[after.open];
  const [place = "."] = after.operands;
  switch (kind) {
    case undefined:
      return [];
    case "images":
      return imageNames(after.values["--store"] ?? before.values["--store"] ?? home.storeDirectory);
    case "volumes":
      return volumeNames(home.environment);
    case "recipe images":
      return recipeImageNames(resolve(home.currentDirectory, place), after.values["--file"]);
    default:
      return containerNames(home.environment, kind === "running");
  }
}

/** What is to come after the words that are neither options nor their values. */
function kindOfWord({ words, each, after }: Wanted, operands: readonly string[]): Kind | undefined {
  const [first] = operands;
  if (after !== undefined) return first !== undefined && after.includes(first) ? words : undefined;
  return operands.length === 0 || each === true ? words : undefined;
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
  /** Of options, by their long names. */
  readonly values: Readonly<Record<string, string>>;
  /** The last word is this option, whose value comes next. */
  readonly open: string | undefined;
}

/** @param most - stop after so many words that are neither options nor their values */
function readWords(words: readonly string[], options: readonly Option[], most = Infinity): ReadWords {
  const operands: string[] = [];
  const values: Record<string, string> = {};
  let read = 0;
  while (read < words.length && operands.length < most) {
    const word = words[read++] ?? "";
    if (!word.startsWith("-") || word === "-") {
      operands.push(word);
      continue;
    }
    const [, name = word, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
    const option = options.find(({ short, long, required }) => required && (short === name || long === name));
    if (option === undefined) continue;
    const long = option.long ?? name;
    if (value === undefined && read === words.length) return { operands, read, values, open: long };
    values[long] = value ?? words[read++] ?? "";
  }
  return { operands, read, values, open: undefined };
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

async function volumeNames(environment: Environment): Promise<readonly string[]> {
  const { listVolumes } = await import("../sandbox/index.ts");
  return (await listVolumes(environment)).map(({ name }) => name).sort();
}

async function recipeImageNames(place: string, file: string | undefined): Promise<readonly string[]> {
  const { readProject } = await import("../project/index.ts");
  return Object.keys((await readProject(place, file)).recipe.images).sort();
}
