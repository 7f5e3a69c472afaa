import type { ElfBytes } from "./bytes.ts";
import type { Dynamic } from "./dynamic.ts";
import type { ElfFacts } from "./facts.ts";
import type { ElfHeader } from "./header.ts";
import { type ElfMachine, machineOf } from "./machine.ts";
import { type DlopenNote, readDlopenNotes } from "./notes.ts";
import { readOnlyExtents, readSonameStrings } from "./rodata.ts";
import { readImports } from "./symbols.ts";
import { readVersionDefinitions, readVersionNeeds, type VersionNeed } from "./versions.ts";

/** `e_type` in words. */
export type ElfType = "relocatable" | "executable" | "shared" | "core" | "other";

const types: Readonly<Record<number, ElfType>> = {
  1: "relocatable",
  2: "executable",
  3: "shared",
  4: "core",
};

// DT_FLAGS_1: DF_1_NODEFLIB and DF_1_PIE.
const noDefaultLibraries = 0x800;
const positionIndependent = 0x08000000;

/** What a file is read from, when something is asked that is not known of it yet. */
export interface ElfParts {
  readonly header: ElfHeader;
  readonly dynamic: Dynamic | undefined;
}

/**
 * An ELF file as its dynamic loader sees it. What every file is asked for is known when it is made; the rest is
 * read when it is asked for, and once. All that is known can be taken along as {@link ElfFacts}.
 */
export class ElfFile implements ElfMachine {
  readonly #base: Omit<ElfFacts, "more">;
  readonly #more: Record<string, unknown>;
  readonly #readings = new Map<string, Promise<unknown>>();
  readonly #parts: () => Promise<ElfParts>;
  #imports: ReadonlySet<string> | undefined;
  #isFresh: boolean;
  /** `PT_INTERP`: the path of the dynamic loader that the program asks for. */
  readonly interpreter?: string;

  /**
   * @param facts - what is known of it
   * @param parts - reads the file
   * @param isFresh - whether the facts come from the file, and not from somebody who took them along
   */
  constructor(facts: ElfFacts, parts: () => Promise<ElfParts>, isFresh: boolean) {
    const { more, ...base } = facts;
    this.#base = base;
    this.#more = { ...more };
    this.#parts = parts;
    this.#isFresh = isFresh;
    if (base.interpreter !== undefined) this.interpreter = base.interpreter;
  }

  /** All that is known of it by now. */
  get facts(): ElfFacts {
    return { ...this.#base, more: this.#more };
  }

  /** Whether more is known of it than it was made with. */
  get isFresh(): boolean {
    return this.#isFresh;
  }

  get bits(): 32 | 64 {
    return this.#base.machine.bits;
  }

  get order(): "little" | "big" {
    return this.#base.machine.order;
  }

  /** `e_machine`. */
  get machine(): number {
    return this.#base.machine.machine;
  }

  /** `e_flags`. */
  get flags(): number {
    return this.#base.machine.flags;
  }

  /** GOARCH name of the machine; `undefined` where it is none of Debian's. */
  get architecture(): string | undefined {
    return machineOf(this)?.architecture;
  }

  get type(): ElfType {
    return types[this.#base.type] ?? "other";
  }

  /** Whether there is anything for a dynamic loader to do. */
  get hasDynamic(): boolean {
    return this.#base.dynamic !== undefined;
  }

  /** Whether it is a program that is started without a dynamic loader. */
  get isStatic(): boolean {
    if (this.interpreter !== undefined || this.needed.length > 0) return false;
    return this.type === "executable" || ((this.#base.dynamic?.flags1 ?? 0) & positionIndependent) !== 0;
  }

  get soname(): string | undefined {
    return this.#base.dynamic?.soname;
  }

  /** `DT_NEEDED`, in order. */
  get needed(): readonly string[] {
    return this.#base.dynamic?.needed ?? [];
  }

  /** `DT_AUXILIARY`: objects that are loaded before this one where they exist. */
  get auxiliary(): readonly string[] {
    return this.#base.dynamic?.auxiliary ?? [];
  }

  /** `DT_FILTER`: objects that are loaded before this one. */
  get filters(): readonly string[] {
    return this.#base.dynamic?.filters ?? [];
  }

  /** `DT_RPATH` in its parts, not expanded. */
  get rpath(): readonly string[] | undefined {
    return this.#base.dynamic?.rpath;
  }

  /** `DT_RUNPATH` in its parts, not expanded. */
  get runpath(): readonly string[] | undefined {
    return this.#base.dynamic?.runpath;
  }

  /** `DF_1_NODEFLIB`: the default directories are not searched for what this file needs. */
  get noDefaultLibraries(): boolean {
    return ((this.#base.dynamic?.flags1 ?? 0) & noDefaultLibraries) !== 0;
  }

  /**
   * Names of the functions and variables that it takes from other objects.
   *
   * @throws WhittleError `ELF_INVALID`
   */
  async imports(): Promise<ReadonlySet<string>> {
    this.#imports ??= new Set(
      await this.#table("imports", async (...file) => [...(await readImports(...file))]),
    );
    return this.#imports;
  }

  /** Whether it can open libraries while it runs: it imports `dlopen` or `dlmopen`. */
  async mentionsDlopen(): Promise<boolean> {
    const imports = await this.imports();
    return imports.has("dlopen") || imports.has("dlmopen");
  }

  /** Symbol versions that it wants of other objects. */
  versionsNeeded(): Promise<readonly VersionNeed[]> {
    return this.#table("needs", readVersionNeeds);
  }

  /** Symbol versions that it has. */
  versionsDefined(): Promise<readonly string[]> {
    return this.#table("definitions", readVersionDefinitions);
  }

  /** What its `.note.dlopen` section says. */
  dlopenNotes(): Promise<readonly DlopenNote[]> {
    return this.#table("notes", readDlopenNotes);
  }

  /** The strings of its read-only data that are names of shared libraries. */
  rodataSonames(): Promise<readonly string[]> {
    return this.#table("strings", readSonameStrings);
  }

  /**
   * Its read-only data, as far as it is no longer than `limit` bytes in a piece.
   *
   * @throws WhittleError `ELF_INVALID` when it is longer
   */
  async readOnlyData(limit: number): Promise<Buffer[]> {
    const { header } = await this.#parts();
    const pieces: ElfBytes[] = [];
    for (const { offset, size } of await readOnlyExtents(header)) {
      pieces.push(await header.source.read(offset, size, limit));
    }
    return pieces.map(({ bytes }) => bytes);
  }

  /**
   * Something that follows from the file's bytes alone, worked out when it is first asked for; it is known among its
   * facts then.
   *
   * @param what - names it, and the version of how it is worked out
   * @param work - comes to what JSON can hold
   */
  derive<T>(what: string, work: () => Promise<T>): Promise<T> {
    let reading = this.#readings.get(what) as Promise<T> | undefined;
    if (reading === undefined) {
      reading = Object.hasOwn(this.#more, what)
        ? Promise.resolve(this.#more[what] as T)
        : this.#add(what, work);
      this.#readings.set(what, reading);
    }
    return reading;
  }

  async #add<T>(what: string, work: () => Promise<T>): Promise<T> {
    const value = await work();
    this.#more[what] = value;
    this.#isFresh = true;
    return value;
  }

  /** One of the tables that the dynamic section leads to; without such a section there are none. */
  #table<T>(
    what: string,
    read: (header: ElfHeader, dynamic: Dynamic) => Promise<readonly T[]>,
  ): Promise<readonly T[]> {
    if (this.#base.dynamic === undefined) return Promise.resolve([]);
    return this.derive(what, async () => {
      const { header, dynamic } = await this.#parts();
      return dynamic === undefined ? [] : read(header, dynamic);
    });
  }
}
