import { type ElfFile, Loader } from "../elf/index.ts";
import { WhittleError } from "../io/index.ts";
import { nameOf, type TreePath } from "../tree/index.ts";
import type { EvidenceContext } from "./need.ts";
import { perTree } from "./per-tree.ts";

/** An object that uses glibc, as the parts of this collector see it. */
export interface LibcUser {
  readonly path: TreePath;
  /** Functions that it takes from others. */
  readonly imports: ReadonlySet<string>;
  readonly libc: Libc;
}

/** The C library of an object. */
export interface Libc {
  /** Its path without links. */
  readonly path: TreePath;
  readonly elf: ElfFile;
  readonly loader: Loader;
}

const loaders = perTree(() => new Map<string, Loader>());

/** The loader of a tree under an image's environment: one for all collectors, so that each file is read once. */
export function loaderFor({ tree, environment }: EvidenceContext): Loader {
  const relevant = { LD_LIBRARY_PATH: environment["LD_LIBRARY_PATH"], LD_PRELOAD: environment["LD_PRELOAD"] };
  const known = loaders(tree);
  const key = JSON.stringify(relevant);
  let loader = known.get(key);
  if (loader === undefined) {
    loader = new Loader(tree, { environment: relevant });
    known.set(key, loader);
  }
  return loader;
}

/**
 * The ELF file at exactly this path, where it is one that a dynamic loader has to do with. A malformed one is
 * none: it is somebody's data, and if it is a program then not this step but running it fails.
 */
export async function dynamicElf(path: TreePath, context: EvidenceContext): Promise<ElfFile | undefined> {
  if (context.tree.get(path)?.type !== "file") return undefined;
  const elf = await unlessMalformed(loaderFor(context).elf(path));
  return elf?.hasDynamic && (elf.type === "shared" || elf.type === "executable") ? elf : undefined;
}

/** What a reading of ELF data gives; `undefined` when the data is malformed. */
export async function unlessMalformed<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof WhittleError && error.code === "ELF_INVALID") return undefined;
    throw error;
  }
}

/** The names of all shared libraries of a tree, wherever they are. */
export const libraryNames = perTree((tree): ReadonlySet<string> => {
  const names = new Set<string>();
  for (const [path, entry] of tree.entries()) {
    if (entry.type !== "directory" && path.includes(".so")) names.add(nameOf(path));
  }
  return names;
});
