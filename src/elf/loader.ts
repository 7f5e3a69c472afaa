import { readText, WhittleError } from "../io/index.ts";
import type { Entry, FileEntry, Tree, TreePath } from "../tree/index.ts";
import type { ElfFile } from "./file.ts";
import { writtenPath } from "./found-path.ts";
import { type LoadedObject, Process, type ResolvedNeed } from "./process.ts";
import { readElf } from "./read.ts";
import { type CacheMode, type Rules, rulesFor } from "./rules.ts";

/** How a loader's search is set. */
export interface LoaderOptions {
  /** The environment of the program: `LD_LIBRARY_PATH` and `LD_PRELOAD` are read. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly cache?: CacheMode;
  /**
   * Subdirectories of `glibc-hwcaps` that the processor supports, the best first. Without it, what every
   * processor can run is found, and what others would prefer is named in `variants`.
   */
  readonly hwcaps?: readonly string[];
}

/** What one object needs, each of its needs looked up as if it were the program. */
export interface ResolvedObject {
  readonly elf: ElfFile;
  /** Path of the loader that it asks for. */
  readonly interpreter?: TreePath;
  readonly needed: readonly ResolvedNeed[];
}

/** Everything that is loaded before a program's first instruction. */
export interface Closure {
  readonly program: LoadedObject;
  readonly interpreter?: TreePath;
  /** In load order, the program first. */
  readonly objects: readonly LoadedObject[];
  /** Every need of every object, in the order in which they are looked up. */
  readonly needs: readonly ResolvedNeed[];
}

const mostPreload = 64 * 1024;

/**
 * The dynamic loaders of a tree, read instead of run: what glibc's or musl's would load for a program in this
 * tree, for any machine. Nothing outside the tree is looked at.
 */
export class Loader {
  readonly tree: Tree;
  readonly #options: LoaderOptions;
  readonly #files = new Map<TreePath, Promise<ElfFile | undefined>>();
  readonly #rules = new Map<string, Promise<Rules>>();
  readonly #resolved = new Map<TreePath, Promise<ResolvedObject | undefined>>();

  constructor(tree: Tree, options: LoaderOptions = {}) {
    this.tree = tree;
    this.#options = options;
  }

  /**
   * The ELF file at a path, links followed; `undefined` when there is none.
   *
   * @throws WhittleError `ELF_INVALID` when it is malformed
   */
  async elf(path: TreePath): Promise<ElfFile | undefined> {
    const found = this.tree.resolve(path);
    return found.entry?.type === "file" ? this.#read(found.path, found.entry) : undefined;
  }

  /**
   * What the object at a path itself needs.
   *
   * @returns `undefined` when it is no ELF file with a dynamic section
   * @throws WhittleError `ELF_INVALID`
   */
  resolve(path: TreePath): Promise<ResolvedObject | undefined> {
    let resolved = this.#resolved.get(path);
    if (resolved === undefined) {
      resolved = this.#resolve(path);
      this.#resolved.set(path, resolved);
    }
    return resolved;
  }

  async #resolve(path: TreePath): Promise<ResolvedObject | undefined> {
    const process = await this.#start(path);
    if (process === undefined) return undefined;
    const { elf } = process.program;
    const needed = await process.requestAll(process.program);
    return { elf, ...interpreterOf(this.tree, elf), needed };
  }

  /**
   * What is loaded when the program at a path is started: its needs, their needs and so on, breadth first.
   *
   * @returns `undefined` when it is no ELF file with a dynamic section
   * @throws WhittleError `ELF_INVALID`
   */
  async closure(path: TreePath): Promise<Closure | undefined> {
    const process = await this.#start(path);
    if (process === undefined) return undefined;
    const { program, objects } = process;
    const needs = await this.#preload(process);
    // The list grows while it is walked, which is what breadth first means here.
    for (const object of objects) needs.push(...(await process.requestAll(object)));
    process.complete();
    return { program, ...interpreterOf(this.tree, program.elf), objects, needs };
  }

  /**
   * What `dlopen` of a name finds when the object at a path calls it, with no program around that object.
   *
   * @returns `undefined` when the object is no ELF file with a dynamic section
   * @throws WhittleError `ELF_INVALID`
   */
  async find(path: TreePath, soname: string): Promise<ResolvedNeed | undefined> {
    const process = await this.#start(path);
    return process?.request(soname, process.program);
  }

  async #start(path: TreePath): Promise<Process | undefined> {
    const found = this.tree.resolve(path);
    const elf = await this.elf(path);
    if (elf === undefined || !elf.hasDynamic) return undefined;
    const rules = await this.#rulesOf(elf);
    // The kernel tells a program its real path, so its origin is where the file is, not where a link to it is.
    const program = { name: found.path, foundAs: found.path, path: found.path, realPath: found.path, elf };
    return new Process(
      {
        tree: this.tree,
        rules,
        environment: this.#options.environment ?? {},
        hwcaps: this.#options.hwcaps ?? [],
        read: (realPath, entry) => this.#readSound(realPath, entry),
      },
      program,
      await this.#loaderObject(rules),
    );
  }

  async #loaderObject(rules: Rules): Promise<LoadedObject | undefined> {
    const { path, entry } = this.tree.resolve(rules.loader);
    const elf = entry?.type === "file" ? await this.#readSound(path, entry) : undefined;
    if (elf === undefined) return undefined;
    return {
      name: rules.loader,
      foundAs: rules.loader,
      path: writtenPath(this.tree, rules.loader).path,
      realPath: path,
      elf,
    };
  }

  /** `LD_PRELOAD`, then `/etc/ld.so.preload`, which musl does not read (ld.so(8)). */
  async #preload(process: Process): Promise<ResolvedNeed[]> {
    const names = (this.#options.environment?.["LD_PRELOAD"] ?? "").split(/[\s:]+/);
    const { entry } = this.tree.resolve("/etc/ld.so.preload");
    if (entry?.type === "file" && process.settings.rules.dialect === "glibc") {
      const text = await readText(entry.content, mostPreload);
      names.push(...text.replace(/#.*/g, "").split(/[\s:]+/));
    }
    const needs: ResolvedNeed[] = [];
    for (const name of names.filter(Boolean)) needs.push(await process.request(name, process.program, true));
    return needs;
  }

  #rulesOf(elf: ElfFile): Promise<Rules> {
    const wantsMusl = elf.needed.some((name) => /^libc\.(?:so$|musl-)/.test(name));
    const key = [elf.interpreter, elf.machine, elf.bits, elf.order, elf.flags, wantsMusl].join(" ");
    let rules = this.#rules.get(key);
    if (rules === undefined) {
      rules = rulesFor(this.tree, elf, this.#options.cache ?? "auto");
      this.#rules.set(key, rules);
    }
    return rules;
  }

  #read(realPath: TreePath, entry: FileEntry): Promise<ElfFile | undefined> {
    let file = this.#files.get(realPath);
    if (file === undefined) {
      file = readElf(entry.content, realPath);
      this.#files.set(realPath, file);
    }
    return file;
  }

  async #readSound(realPath: TreePath, entry: Entry): Promise<ElfFile | undefined> {
    try {
      return entry.type === "file" ? await this.#read(realPath, entry) : undefined;
    } catch (error) {
      if (error instanceof WhittleError && error.code === "ELF_INVALID") return undefined;
      throw error;
    }
  }
}

function interpreterOf(tree: Tree, elf: ElfFile): { readonly interpreter?: TreePath } {
  const { interpreter } = elf;
  return interpreter?.startsWith("/") ? { interpreter: writtenPath(tree, interpreter).path } : {};
}
