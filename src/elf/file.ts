import type { Content } from "../io/index.ts";
import type { ElfBytes } from "./bytes.ts";
import { type Dynamic, readDynamic } from "./dynamic.ts";
import { type ElfHeader, readHeader, segmentTypes } from "./header.ts";
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
const longestPath = 4096;

/**
 * An ELF file as its dynamic loader sees it. What every file is asked for has been read when it is made; the
 * rest is read when it is asked for, and once.
 */
export class ElfFile implements ElfMachine {
  readonly #header: ElfHeader;
  readonly #dynamic: Dynamic | undefined;
  readonly #memory = new Map<string, Promise<unknown>>();
  /** `PT_INTERP`: the path of the dynamic loader that the program asks for. */
  readonly interpreter?: string;

  constructor(header: ElfHeader, dynamic: Dynamic | undefined, interpreter: string | undefined) {
    this.#header = header;
    this.#dynamic = dynamic;
    if (interpreter !== undefined) this.interpreter = interpreter;
  }

  get bits(): 32 | 64 {
    return this.#header.machine.bits;
  }

  get order(): "little" | "big" {
    return this.#header.machine.order;
  }

  /** `e_machine`. */
  get machine(): number {
    return this.#header.machine.machine;
  }

  /** `e_flags`. */
  get flags(): number {
    return this.#header.machine.flags;
  }

  /** GOARCH name of the machine; `undefined` where it is none of Debian's. */
  get architecture(): string | undefined {
    return machineOf(this)?.architecture;
  }

  get type(): ElfType {
    return types[this.#header.type] ?? "other";
  }

  /** Whether there is anything for a dynamic loader to do. */
  get hasDynamic(): boolean {
    return this.#dynamic !== undefined;
  }

  /** Whether it is a program that is started without a dynamic loader. */
  get isStatic(): boolean {
    if (this.interpreter !== undefined || this.needed.length > 0) return false;
    return this.type === "executable" || ((this.#dynamic?.flags1 ?? 0) & positionIndependent) !== 0;
  }

  get soname(): string | undefined {
    return this.#dynamic?.soname;
  }

  /** `DT_NEEDED`, in order. */
  get needed(): readonly string[] {
    return this.#dynamic?.needed ?? [];
  }

  /** `DT_AUXILIARY`: objects that are loaded before this one where they exist. */
  get auxiliary(): readonly string[] {
    return this.#dynamic?.auxiliary ?? [];
  }

  /** `DT_FILTER`: objects that are loaded before this one. */
  get filters(): readonly string[] {
    return this.#dynamic?.filters ?? [];
  }

  /** `DT_RPATH` in its parts, not expanded. */
  get rpath(): readonly string[] | undefined {
    return this.#dynamic?.rpath;
  }

  /** `DT_RUNPATH` in its parts, not expanded. */
  get runpath(): readonly string[] | undefined {
    return this.#dynamic?.runpath;
  }

  /** `DF_1_NODEFLIB`: the default directories are not searched for what this file needs. */
  get noDefaultLibraries(): boolean {
    return ((this.#dynamic?.flags1 ?? 0) & noDefaultLibraries) !== 0;
  }

  /**
   * Names of the functions and variables that it takes from other objects.
   *
   * @throws WhittleError `ELF_INVALID`
   */
  imports(): Promise<ReadonlySet<string>> {
    return this.#once("imports", new Set<string>(), (dynamic) => readImports(this.#header, dynamic));
  }

  /** Whether it can open libraries while it runs: it imports `dlopen` or `dlmopen`. */
  async mentionsDlopen(): Promise<boolean> {
    const imports = await this.imports();
    return imports.has("dlopen") || imports.has("dlmopen");
  }

  /** Symbol versions that it wants of other objects. */
  versionsNeeded(): Promise<readonly VersionNeed[]> {
    return this.#once("needs", [], (dynamic) => readVersionNeeds(this.#header, dynamic));
  }

  /** Symbol versions that it has. */
  versionsDefined(): Promise<readonly string[]> {
    return this.#once("definitions", [], (dynamic) => readVersionDefinitions(this.#header, dynamic));
  }

  /** What its `.note.dlopen` section says. */
  dlopenNotes(): Promise<readonly DlopenNote[]> {
    return this.#once("notes", [], () => readDlopenNotes(this.#header));
  }

  /** The strings of its read-only data that are names of shared libraries. */
  rodataSonames(): Promise<readonly string[]> {
    return this.#once("strings", [], () => readSonameStrings(this.#header));
  }

  /**
   * Its read-only data, as far as it is no longer than `limit` bytes in a piece.
   *
   * @throws WhittleError `ELF_INVALID` when it is longer
   */
  async readOnlyData(limit: number): Promise<Buffer[]> {
    const pieces: ElfBytes[] = [];
    for (const { offset, size } of await readOnlyExtents(this.#header)) {
      pieces.push(await this.#header.source.read(offset, size, limit));
    }
    return pieces.map(({ bytes }) => bytes);
  }

  #once<T>(what: string, without: T, read: (dynamic: Dynamic) => Promise<T>): Promise<T> {
    if (this.#dynamic === undefined) return Promise.resolve(without);
    let promise = this.#memory.get(what) as Promise<T> | undefined;
    if (promise === undefined) {
      promise = read(this.#dynamic);
      this.#memory.set(what, promise);
    }
    return promise;
  }
}

/**
 * Reads an ELF file: its header, program headers and dynamic section, in two or three small reads whatever its
 * size.
 *
 * @param what - the file's name in an error
 * @returns `undefined` when it is not an ELF file
 * @throws WhittleError `ELF_INVALID` when it is a malformed one
 */
export function readElf(content: Content, what = "the file"): Promise<ElfFile | undefined> {
  let file = read.get(content);
  if (file === undefined) {
    file = parseElf(content, what);
    read.set(content, file);
  }
  return file;
}

/** Files that were read: the loader, the evidence and the check of machines ask for the same ones. */
const read = new WeakMap<Content, Promise<ElfFile | undefined>>();

async function parseElf(content: Content, what: string): Promise<ElfFile | undefined> {
  const header = await readHeader(content, what);
  if (header === undefined) return undefined;
  return new ElfFile(header, await readDynamic(header), await readInterpreter(header));
}

async function readInterpreter(header: ElfHeader): Promise<string | undefined> {
  const segment = header.segments.find(({ type }) => type === segmentTypes.interpreter);
  if (segment === undefined) return undefined;
  const table = await header.source.read(segment.offset, segment.fileSize, longestPath);
  return table.string(0) ?? table.bytes.toString("utf8");
}
