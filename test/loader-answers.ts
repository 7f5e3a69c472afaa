import { execFile } from "node:child_process";
import { copyFile, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Closure, ElfFile, Loader } from "../src/elf/index.ts";
import { WhittleError } from "../src/io/index.ts";
import type { Tree, TreePath } from "../src/tree/index.ts";

/** What a loader says that it loads for one object: name and path of each, in load order. */
export type LoaderAnswer =
  | { readonly complete: true; readonly loads: readonly (readonly [name: string, path: string])[] }
  /** It does not say what it found when something is missing. */
  | { readonly complete: false };

/** The ELF files of a tree that a dynamic loader can be asked about, by path. */
export async function dynamicObjects(tree: Tree, loader: Loader): Promise<Map<TreePath, ElfFile>> {
  const result = new Map<TreePath, ElfFile>();
  for (const [path, entry] of tree.entries()) {
    if (entry.type !== "file") continue;
    try {
      const elf = await loader.elf(path);
      if (elf?.hasDynamic && (elf.type === "shared" || elf.type === "executable")) result.set(path, elf);
    } catch (error) {
      if (!(error instanceof WhittleError)) throw error;
    }
  }
  return result;
}

/**
 * Asks the loader of a root itself what it would load: `ld.so --list`, one run for each object, which runs nothing
 * of the object. Needs root (chroot).
 * `qemu` is a static qemu-user binary, for a foreign root; the cache is left out unless it is asked for.
 */
export async function askLoader(
  root: string,
  interpreter: string,
  paths: readonly TreePath[],
  { qemu, useCache = false }: { readonly qemu?: string | undefined; readonly useCache?: boolean } = {},
): Promise<Map<TreePath, LoaderAnswer>> {
  const emulator = ".loader-answers-qemu";
  if (qemu !== undefined) await copyFile(qemu, join(root, emulator));
  const command = [
    root,
    ...(qemu === undefined ? [] : [`/${emulator}`]),
    interpreter,
    ...(useCache ? [] : ["--inhibit-cache"]),
    "--list",
  ];
  const answers = new Map<TreePath, LoaderAnswer>();
  const pending = [...paths];
  const ask = async (): Promise<void> => {
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      answers.set(path, readAnswer(await output("chroot", [...command, path])));
    }
  };
  try {
    await Promise.all(Array.from({ length: availableParallelism() }, ask));
  } finally {
    if (qemu !== undefined) await rm(join(root, emulator));
  }
  return answers;
}

function output(program: string, parameters: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, parameters, { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } }, (error, stdout) =>
      resolve(error === null ? stdout : undefined),
    );
  });
}

function readAnswer(text: string | undefined): LoaderAnswer {
  if (text === undefined) return { complete: false };
  const loads: [string, string][] = [];
  for (const line of text.split("\n")) {
    const [, name, path] = /^\s*(\S.*?)(?: => (.*?))? \(0x[0-9a-f]+\)$/.exec(line) ?? [];
    // The kernel's own object has a name and no path.
    if (name !== undefined && (path !== undefined || name.startsWith("/"))) loads.push([name, path ?? name]);
  }
  return { complete: true, loads };
}

/** The same answer, read from a closure; the loader writes itself as its path. */
export function answerOf(closure: Closure, interpreter: string): LoaderAnswer {
  if (closure.needs.some(({ object, optional }) => object === undefined && !optional))
    return { complete: false };
  // Of an object without needs the loader says "statically linked", though it is itself in memory as ever.
  const objects = closure.program.elf.needed.length === 0 ? [] : closure.objects.slice(1);
  return {
    complete: true,
    loads: objects.map(({ name, foundAs }) => {
      return foundAs === interpreter ? [foundAs, foundAs] : [name, foundAs];
    }),
  };
}

/** How two answers differ, in words; nothing when they do not. */
export function difference(wanted: LoaderAnswer, found: LoaderAnswer): string | undefined {
  if (!wanted.complete || !found.complete) {
    if (wanted.complete === found.complete) return undefined;
    return wanted.complete ? "something is missing here only" : "the loader misses something";
  }
  const words = (answer: readonly (readonly [string, string])[]) => answer.map((pair) => pair.join(" => "));
  const [theirs, ours] = [words(wanted.loads), words(found.loads)];
  if (theirs.join("\n") === ours.join("\n")) return undefined;
  const only = (these: readonly string[], those: readonly string[]) =>
    these.filter((one) => !those.includes(one));
  const [left, right] = [only(theirs, ours), only(ours, theirs)];
  if (left.length + right.length === 0) return `another order: ${theirs.join(", ")}; here ${ours.join(", ")}`;
  return `the loader: ${left.join(", ") || "nothing else"}; here: ${right.join(", ") || "nothing else"}`;
}
