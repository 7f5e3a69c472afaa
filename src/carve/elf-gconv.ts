import { readText } from "../io/index.ts";
import { nameOf, parentOf, type Tree, type TreePath } from "../tree/index.ts";
import type { LibcUser } from "./elf-loader.ts";
import type { EvidenceContext, Need } from "./need.ts";

/** Which character set modules to keep: those of the environment's locale, all, or those of some sets. */
export type GconvChoice = "configured" | "all" | readonly string[];

const how = { kind: "libc", what: "gconv" } as const;
const mostConfiguration = 1024 * 1024;

/** Character sets that glibc converts without a module (iconv/gconv_builtin.h). */
const builtIn =
  /^(?:ISO-10646\/UTF8|UTF-?8|UCS-?[24](?:LE|BE)?|ISO646-US|US-ASCII|ASCII|ANSI_X3\.4-1968|646)$/i;

/**
 * The character set modules that an object which converts needs.
 *
 * A program that imports `iconv_open` may ask for any set at run time; keeping all 250 modules for that would
 * cost more than most programs. So those are kept that the image is configured for, and more on demand.
 */
export async function* gconvNeeds(
  { imports, libc }: LibcUser,
  { tree, environment }: EvidenceContext,
  choice: GconvChoice,
): AsyncGenerator<Need> {
  const byName = imports.has("iconv_open");
  // In a locale with another character set, setlocale alone makes glibc convert.
  if (!byName && !(choice === "configured" && imports.has("setlocale"))) return;
  const directory = `${parentOf(libc.path)}/gconv`;
  if (choice === "all") {
    for (const name of tree.children(directory)) {
      if (name.endsWith(".so")) yield { path: `${directory}/${name}`, how, missing: "ignore" };
    }
    return;
  }
  const wanted = choice === "configured" ? configuredSets(environment) : choice;
  const foreign = wanted.filter((name) => !builtIn.test(name));
  if (foreign.length === 0) return;
  const table = await readTable(tree, directory);
  for (const set of foreign) {
    for (const module of modulesOf(table, set)) {
      yield { path: `${directory}/${module}.so`, how, missing: "report" };
    }
  }
}

/** A kept character set module is found by its directory's configuration only. */
export function* gconvModuleNeeds(path: TreePath, tree: Tree): Generator<Need> {
  const directory = parentOf(path);
  if (nameOf(directory) !== "gconv" || !path.endsWith(".so")) return;
  for (const file of [...configurations(tree, directory), `${directory}/gconv-modules.cache`]) {
    yield { path: file, how, missing: "ignore" };
  }
}

/** The character set of the locale that the environment chooses (setlocale(3)), where it names one. */
function configuredSets(environment: EvidenceContext["environment"]): string[] {
  const locale = environment["LC_ALL"] || environment["LC_CTYPE"] || environment["LANG"] || "";
  const set = /\.([^@]+)/.exec(locale)?.[1];
  return set === undefined ? [] : [set];
}

interface Table {
  readonly aliases: ReadonlyMap<string, string>;
  /** Modules by the set that they convert from or to. */
  readonly modules: ReadonlyMap<string, readonly string[]>;
}

function configurations(tree: Tree, directory: TreePath): TreePath[] {
  const more = tree.children(`${directory}/gconv-modules.d`).filter((name) => name.endsWith(".conf"));
  return [`${directory}/gconv-modules`, ...more.map((name) => `${directory}/gconv-modules.d/${name}`)];
}

/** Reads `gconv-modules`: lines of `alias FROM// TO//` and `module FROM// TO// FILE COST`. */
async function readTable(tree: Tree, directory: TreePath): Promise<Table> {
  const aliases = new Map<string, string>();
  const modules = new Map<string, string[]>();
  for (const path of configurations(tree, directory)) {
    const { entry } = tree.resolve(path);
    if (entry?.type !== "file" || entry.content.size > mostConfiguration) continue;
    for (const line of (await readText(entry.content)).split("\n")) {
      const [kind, from = "", to = "", file = ""] = line.replace(/#.*/, "").trim().split(/\s+/);
      if (kind === "alias") aliases.set(setName(from), setName(to));
      if (kind !== "module" || !/^[\w.+-]+$/.test(file)) continue;
      for (const set of [from, to].map(setName)) {
        if (set !== "INTERNAL") modules.set(set, [...(modules.get(set) ?? []), file]);
      }
    }
  }
  return { aliases, modules };
}

function setName(text: string): string {
  return text.replace(/\/.*$/, "").toUpperCase();
}

function modulesOf({ aliases, modules }: Table, set: string): ReadonlySet<string> {
  let name = setName(set);
  // In a locale's name the hyphens are often left out, which is what the aliases are for.
  for (let hops = 0; hops < 8 && !modules.has(name); hops++) {
    const next = aliases.get(name);
    if (next === undefined) break;
    name = next;
  }
  return new Set(modules.get(name));
}
