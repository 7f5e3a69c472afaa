import { closeSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { quietWork, WhittleError, type Work, writeFileAtomically } from "../io/index.ts";
import { heavyWork } from "./heavy-work.ts";
import type { PackageRecord } from "./package.ts";
import { type BodyField, bodyFields, magic } from "./packages-index-format.ts";
import { closeCompact, nothing, type OpenedIndex, openCompact } from "./packages-index-open.ts";
import { nearMisses } from "./packages-index-suggest.ts";

/** A verified `Packages` file on disk, uncompressed, and where it came from. */
export interface PackagesFile {
  readonly path: string;
  /** Of the file's bytes, hexadecimal, with or without `sha256:` in front. */
  readonly sha256: string;
  readonly suite: string;
  readonly mirror: string;
  /** As apt's pin priority: the highest decides the candidate, then the version. 500 unless said. */
  readonly priority?: number;
}

/** Everything that an index says about one version of a package and that resolving or unpacking wants. */
export interface IndexedPackage extends PackageRecord {
  readonly priority: string;
  readonly section: string;
  readonly multiArch: "no" | "same" | "foreign" | "allowed";
  readonly essential: boolean;
  /** `Protected: yes`: like essential, but nothing needs it to work. */
  readonly protected: boolean;
  /** Relation fields as written; empty where the package has none. */
  readonly preDepends: string;
  readonly depends: string;
  readonly conflicts: string;
  readonly breaks: string;
  readonly recommends: string;
  readonly suggests: string;
  readonly replaces: string;
  readonly provides: string;
}

/** One package version that provides a name. */
export interface IndexedProvide {
  /** To be asked for with `record`. */
  readonly id: number;
  /** The version in the `Provides` field; `undefined` for an unversioned one. */
  readonly version?: string;
}

/**
 * One `Packages` file in a form that opens in milliseconds: the names are in memory, a package's fields are read
 * when asked for. Names and records never change. Holds a file descriptor until closed.
 */
export class PackageIndex implements Disposable {
  readonly suite: string;
  readonly mirror: string;
  readonly priority: number;
  #opened: OpenedIndex;
  #isOpen = true;
  readonly #records = new Map<number, IndexedPackage>();
  readonly #numbers = new Map<string, number>();

  /** @internal use `openIndex` */
  constructor(opened: OpenedIndex, source: PackagesFile) {
    this.suite = source.suite;
    this.mirror = source.mirror;
    this.priority = source.priority ?? 500;
    this.#opened = opened;
  }

  /** The versions of a package, in the file's order, to be asked for with `record`. */
  versions(name: string): number[] {
    return this.#range("versionStart", this.#find(name));
  }

  /** The versions of other packages that provide a name, in the file's order. */
  providers(name: string): IndexedProvide[] {
    return this.#range("provideStart", this.#find(name)).map((entry) => {
      const start = this.#opened.tables.provideText[entry] ?? 0;
      const length = this.#opened.tables.provideTextLength[entry] ?? 0;
      const id = this.#opened.tables.provider[entry] ?? 0;
      return length === 0
        ? { id }
        : { id, version: this.#opened.text.toString("latin1", start, start + length) };
    });
  }

  /** When the file first mentions a name, counting from 0; `undefined` if it never does. */
  rank(name: string): number | undefined {
    return this.#opened.tables.rank[this.#find(name)];
  }

  /**
   * The fields of one version of a package.
   *
   * @throws WhittleError `ARCHIVE_CORRUPT` when the cached form is damaged; it will be made anew the next time
   */
  record(id: number): IndexedPackage {
    const known = this.#records.get(id);
    if (known !== undefined) return known;
    const record = this.#recordOf(id, this.#readBody(id));
    this.#records.set(id, record);
    return record;
  }

  /** All names of real packages, sorted. */
  *names(): Generator<string> {
    for (let number = 0; number < this.#opened.counts.names; number++) {
      if (this.#range("versionStart", number).length > 0) yield this.#name(number);
    }
  }

  /** The versions marked essential, by name. */
  essentials(): number[] {
    return [...this.#opened.tables.essential];
  }

  /** The versions whose priority is `required`, by name. */
  requireds(): number[] {
    return [...this.#opened.tables.required];
  }

  /** Names of packages that a misspelt name may have meant, the nearest first, at most five. */
  suggest(name: string): string[] {
    return nearMisses(name, this.names());
  }

  /** Gives the file and the memory back; there is nothing in the index then, but records that were read stay readable. */
  close(): void {
    if (this.#isOpen) closeCompact(this.#opened);
    this.#isOpen = false;
    this.#opened = { ...this.#opened, ...nothing };
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #name(number: number): string {
    return this.#opened.text.toString(
      "latin1",
      this.#opened.tables.nameStart[number],
      this.#opened.tables.nameStart[number + 1],
    );
  }

  /** The number of a name, or -1. */
  #find(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.#search(name);
      this.#numbers.set(name, number);
    }
    return number;
  }

  #search(name: string): number {
    const bytes = Buffer.from(name, "latin1");
    let low = 0;
    let high = this.#opened.counts.names;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const start = this.#opened.tables.nameStart[middle] ?? 0;
      const order = this.#opened.text.compare(
        bytes,
        0,
        bytes.length,
        start,
        this.#opened.tables.nameStart[middle + 1],
      );
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return -1;
  }

  #range(table: "versionStart" | "provideStart", number: number): number[] {
    const start = this.#opened.tables[table][number] ?? 0;
    const end = this.#opened.tables[table][number + 1] ?? 0;
    return number < 0 ? [] : Array.from({ length: end - start }, (_, index) => start + index);
  }

  #readBody(id: number): string {
    if (!this.#isOpen) throw new WhittleError("INTERNAL", "Internal error: a closed package index was asked");
    const start = this.#opened.tables.bodyStart[id] ?? 0;
    const body = Buffer.allocUnsafe((this.#opened.tables.bodyStart[id + 1] ?? start) - start);
    const read = readSync(this.#opened.file, body, 0, body.length, this.#opened.bodiesAt + start);
    if (read !== body.length || crc32(body) !== this.#opened.tables.bodyCheck[id]) {
      rmSync(this.#opened.path, { force: true });
      throw new WhittleError(
        "ARCHIVE_CORRUPT",
        `Cannot read the package index ${this.#opened.path}: it is damaged`,
        {
          hint: "do it again: the index has been removed and is made anew",
        },
      );
    }
    return body.toString("latin1");
  }

  #recordOf(id: number, body: string): IndexedPackage {
    const values = body.split("\n");
    const field = (name: BodyField): string => values[fieldNumber[name]] ?? "";
    const source = field("Source");
    return {
      name: this.#name(this.#opened.tables.versionName[id] ?? 0),
      version: field("Version"),
      architecture: field("Architecture"),
      ...(source === "" ? {} : { source }),
      filename: field("Filename"),
      size: Number(field("Size")),
      sha256: field("SHA256"),
      installedSize: Number(field("Installed-Size")),
      mirror: this.mirror,
      suite: this.suite,
      priority: field("Priority"),
      section: field("Section"),
      multiArch: multiArchOf(field("Multi-Arch"), field("Architecture")),
      essential: field("Essential") === "yes",
      protected: field("Protected") === "yes",
      preDepends: field("Pre-Depends"),
      depends: field("Depends"),
      conflicts: field("Conflicts"),
      breaks: field("Breaks"),
      recommends: field("Recommends"),
      suggests: field("Suggests"),
      replaces: field("Replaces"),
      provides: field("Provides"),
    };
  }
}

const fieldNumber = Object.fromEntries(bodyFields.map((name, number) => [name, number])) as Record<
  BodyField,
  number
>;

function multiArchOf(value: string, architecture: string): IndexedPackage["multiArch"] {
  if (value === "foreign" || value === "allowed") return value;
  return value === "same" && architecture !== "all" ? "same" : "no";
}

/**
 * Opens the compact form of a `Packages` file from the cache, making it first where it is missing or damaged. Safe
 * for concurrent use: the form appears by rename, and two makers make the same bytes.
 *
 * @param cacheDirectory - where compact forms are kept, each under the digest of its `Packages` file
 * @throws WhittleError `ARCHIVE_CORRUPT` when the file itself is no Packages file; system errors explained
 */
export async function openIndex(
  file: PackagesFile,
  cacheDirectory: string,
  work: Work = quietWork,
): Promise<PackageIndex> {
  const sha256 = file.sha256.replace(/^sha256:/, "");
  const path = join(cacheDirectory, `${sha256}.packages-v${magic.at(-1)}`);
  const opened = openCompact(path, sha256);
  if (opened !== undefined) return new PackageIndex(opened, file);
  await heavyWork("index", work.signal, () => oneAtATime(() => makeIndex(file.path, sha256, path, work)));
  const made = openCompact(path, sha256);
  if (made === undefined) {
    throw new WhittleError(
      "ARCHIVE_CORRUPT",
      `Cannot read ${path}: it is damaged right after it was written`,
    );
  }
  return new PackageIndex(made, file);
}

async function makeIndex(packages: string, sha256: string, path: string, work: Work): Promise<void> {
  const opened = openCompact(path, sha256);
  if (opened !== undefined) {
    closeSync(opened.file);
    return;
  }
  const { makeIndexInThread } = await import("./packages-index-thread.ts");
  const bytes = await makeIndexInThread({ path: packages, sha256 }, work.signal);
  await writeFileAtomically(path, bytes, { signal: work.signal });
}

let building: Promise<unknown> = Promise.resolve();

/** Makers take a hundred megabytes each while they work: a build for ten architectures must not run ten of them. */
function oneAtATime(make: () => Promise<void>): Promise<void> {
  const made = building.then(make);
  building = made.catch(() => undefined);
  return made;
}
