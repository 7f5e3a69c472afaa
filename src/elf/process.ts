import { type Entry, nameOf, parentOf, type Tree, type TreePath } from "../tree/index.ts";
import type { ElfFile } from "./file.ts";
import { writtenPath } from "./found-path.ts";
import type { Rules } from "./rules.ts";
import { glibcPlaces, muslPlaces, type Place } from "./search.ts";
import { expandTokens, type Tokens } from "./tokens.ts";

/** An object in the memory of a process that was never started. */
export interface LoadedObject {
  /** The name by which it was first asked for. */
  readonly name: string;
  /** Its path as the loader writes it; may hold `..`. */
  readonly foundAs: string;
  /** The same as a path of the tree; symbolic links in it are not resolved. */
  readonly path: TreePath;
  /** The path without any symbolic link. */
  readonly realPath: TreePath;
  readonly elf: ElfFile;
  /** The object whose need brought it in; absent for the program. */
  readonly requestedBy?: LoadedObject;
}

/** What one object needs, and what that came to. */
export interface ResolvedNeed {
  /** The object that needs it. */
  readonly from: LoadedObject;
  /** The name as the object writes it. */
  readonly soname: string;
  /** What was found; `undefined` when nothing was. */
  readonly object?: LoadedObject;
  /** Path of the tree where it was found, symbolic links in it not resolved; `null` when nothing was. */
  readonly path: TreePath | null;
  /** Symbolic links of the tree that were followed to get there. */
  readonly links: readonly TreePath[];
  /** Directories that were tried, up to the one where it was found. */
  readonly searched: readonly TreePath[];
  /** Directories that the path goes through and leaves by `..`. */
  readonly through: readonly TreePath[];
  /** Which rule found it: `RUNPATH of /usr/bin/x`, `default directories`, `already loaded`… */
  readonly via: string;
  /** Builds of it for newer processors, which the loader would take there (`glibc-hwcaps`). */
  readonly variants: readonly TreePath[];
  /** It is only loaded where it is there (`DT_AUXILIARY`). */
  readonly optional: boolean;
}

/** How a process is started. */
export interface ProcessSettings {
  readonly tree: Tree;
  readonly rules: Rules;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Subdirectories of `glibc-hwcaps` that the processor supports, the best first. */
  readonly hwcaps: readonly string[];
  /** Reads the ELF file at a real path; `undefined` when it is none, and when it is malformed. */
  readonly read: (realPath: TreePath, entry: Entry) => Promise<ElfFile | undefined>;
}

interface Search {
  readonly object?: LoadedObject;
  readonly via: string;
  readonly searched: readonly TreePath[];
}

/** The objects of one process and how each was found, by the rules of glibc's `_dl_map_object` or of musl. */
export class Process {
  readonly settings: ProcessSettings;
  readonly program: LoadedObject;
  /** In load order, the program first; the loader itself where it is first needed. */
  readonly objects: LoadedObject[] = [];
  readonly #names = new Map<string, LoadedObject>();
  readonly #files = new Map<TreePath | object, LoadedObject>();
  readonly #loader: LoadedObject | undefined;

  constructor(settings: ProcessSettings, program: LoadedObject, loader: LoadedObject | undefined) {
    this.settings = settings;
    this.program = program;
    this.#loader = loader;
    this.#add(program);
    // The loader is in memory before anything is searched, so its names are never looked up.
    if (loader !== undefined) {
      this.#names.set(nameOf(loader.path), loader);
      this.#register(loader);
    }
  }

  /** What `$ORIGIN` and its siblings stand for in an object. */
  tokens(object: LoadedObject): Tokens {
    const { library, platform } = this.settings.rules;
    // A `..` in it stays, as in the loader's own words.
    return { ORIGIN: parentOf(object.foundAs), LIB: library, PLATFORM: platform };
  }

  /** Loads what an object needs by `DT_NEEDED`, `DT_FILTER` and `DT_AUXILIARY`. */
  async requestAll(from: LoadedObject): Promise<ResolvedNeed[]> {
    const needs: ResolvedNeed[] = [];
    for (const name of from.elf.filters) needs.push(await this.request(name, from));
    for (const name of from.elf.auxiliary) needs.push(await this.request(name, from, true));
    for (const name of from.elf.needed) needs.push(await this.request(name, from));
    return needs;
  }

  /** The loader is in memory also where nothing needs it; then it is the last of the objects. */
  complete(): void {
    if (this.#loader !== undefined && !this.objects.includes(this.#loader)) this.objects.push(this.#loader);
  }

  /** Loads one object by name, as `dlopen` called by `from` or as a `DT_NEEDED` of it. */
  async request(soname: string, from: LoadedObject, optional = false): Promise<ResolvedNeed> {
    const name = expandTokens(soname, this.tokens(from)) ?? soname;
    const loaded = this.#loaded(name);
    const search = loaded === undefined ? await this.#search(name, from) : undefined;
    const object = loaded ?? search?.object;
    if (object !== undefined && !this.objects.includes(object)) this.objects.push(object);
    const { tree } = this.settings;
    const written = object === undefined ? undefined : writtenPath(tree, object.foundAs);
    const variants = this.#variants(name, search);
    return {
      from,
      soname,
      ...(object === undefined ? {} : { object }),
      path: object?.path ?? null,
      links: object === undefined ? [] : tree.resolve(object.foundAs).links,
      searched: search?.searched ?? [],
      through: written?.through ?? [],
      via: search?.via ?? (object === this.#loader ? "the loader itself" : "already loaded"),
      variants,
      optional,
    };
  }

  /** An object that answers to a name: one that was asked for by it, or whose soname it is. */
  #loaded(name: string): LoadedObject | undefined {
    const { dialect } = this.settings.rules;
    // musl is one file that stands for all libraries of the C standard (ldso/dynlink.c, load_library).
    if (dialect === "musl" && /^lib(?:c|pthread|rt|m|dl|util|xnet)\./.test(name)) return this.#loader;
    return this.#names.get(name);
  }

  async #search(name: string, from: LoadedObject): Promise<Search> {
    const searched: TreePath[] = [];
    if (name.includes("/")) {
      const object = await this.#open(name, name, from);
      return { ...(typeof object === "object" ? { object } : {}), via: "its path", searched };
    }
    const places =
      this.settings.rules.dialect === "musl" ? muslPlaces(this, from) : glibcPlaces(this, from, name);
    for (const place of places) {
      const directory = writtenPath(this.settings.tree, place.directory).path;
      if (!searched.includes(directory)) searched.push(directory);
      for (const file of this.#candidates(place, name)) {
        const object = await this.#open(file, name, from);
        if (typeof object === "object") return { object, via: place.via, searched };
        if (object === "stop") return { via: `${file}, which is damaged`, searched };
      }
    }
    return { via: "", searched };
  }

  #candidates(place: Place, name: string): string[] {
    if (place.file !== undefined) return [place.file];
    const within = place.directory === "/" ? "" : place.directory;
    const hwcaps = this.settings.rules.dialect === "glibc" ? this.settings.hwcaps : [];
    return [...hwcaps.map((one) => `${within}/glibc-hwcaps/${one}/${name}`), `${within}/${name}`];
  }

  /**
   * Opens one candidate. A file for another machine is passed over (`skip`); what is no ELF file at all ends the
   * search with an error (`stop`), as in glibc's `open_verify`.
   */
  async #open(file: string, name: string, from: LoadedObject): Promise<LoadedObject | "skip" | "stop"> {
    const { tree, read } = this.settings;
    const found = tree.resolve(file);
    if (found.entry?.type !== "file") return "skip";
    const known = this.#files.get(found.entry.inode ?? found.path);
    if (known !== undefined) {
      this.#names.set(name, known);
      return known;
    }
    const elf = await read(found.path, found.entry);
    if (elf === undefined) return "stop";
    const { bits, order, machine } = this.program.elf;
    if (elf.bits !== bits || elf.order !== order || elf.machine !== machine) return "skip";
    if (elf.type !== "shared" && elf.type !== "executable") return "stop";
    const object: LoadedObject = {
      name,
      foundAs: file,
      path: writtenPath(tree, file).path,
      realPath: found.path,
      elf,
      requestedBy: from,
    };
    this.#add(object);
    return object;
  }

  #add(object: LoadedObject): void {
    this.objects.push(object);
    this.#register(object);
  }

  #register(object: LoadedObject): void {
    const { entry } = this.settings.tree.resolve(object.realPath);
    this.#files.set((entry?.type === "file" ? entry.inode : undefined) ?? object.realPath, object);
    const { soname } = object.elf;
    for (const name of [object.name, object.foundAs, soname]) {
      if (name !== undefined && !this.#names.has(name)) this.#names.set(name, object);
    }
  }

  #variants(name: string, search: Search | undefined): TreePath[] {
    if (search?.object === undefined || this.settings.rules.dialect !== "glibc") return [];
    const { tree } = this.settings;
    const result: TreePath[] = [];
    for (const directory of search.searched) {
      const hwcaps = tree.resolve(`${directory}/glibc-hwcaps`);
      if (hwcaps.entry?.type !== "directory") continue;
      for (const one of tree.children(hwcaps.path)) {
        const path = `${directory}/glibc-hwcaps/${one}/${name}`;
        if (path !== search.object.path && tree.resolve(path).entry?.type === "file") result.push(path);
      }
    }
    return result;
  }
}
