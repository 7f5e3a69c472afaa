import type { IndexedPackage, PackageIndex } from "./packages-index.ts";
import { parseRelations, type Relation, satisfies } from "./relations.ts";
import { compareVersions } from "./version.ts";

/** How one package is related to another; `Replaces` and `Enhances` decide nothing in an empty root. */
export type DependencyType = "Pre-Depends" | "Depends" | "Conflicts" | "Breaks" | "Recommends" | "Suggests";

/** One alternative of a dependency. */
export interface Alternative {
  readonly relation: Relation;
  readonly target: Package;
}

/** A dependency of a version: its alternatives, one of which must hold; negative ones have exactly one. */
export interface Dependency {
  readonly owner: Version;
  readonly type: DependencyType;
  readonly isNegative: boolean;
  /** Depends, Pre-Depends, Conflicts and Breaks: without it, the package is broken. */
  readonly isCritical: boolean;
  readonly alternatives: readonly Alternative[];
}

/** Some version provides a name. */
export interface Provide {
  readonly version: Version;
  readonly as: string | undefined;
}

/** A name that a version provides. */
export interface Provided {
  readonly target: Package;
  readonly as: string | undefined;
}

const dependencyFields = [
  ["Pre-Depends", "preDepends"],
  ["Depends", "depends"],
  ["Conflicts", "conflicts"],
  ["Breaks", "breaks"],
  ["Recommends", "recommends"],
  ["Suggests", "suggests"],
] as const satisfies readonly (readonly [DependencyType, keyof IndexedPackage])[];

/** One version of a package; what it depends on is read when first asked for. */
export class Version {
  readonly package: Package;
  readonly record: IndexedPackage;
  /** The highest priority of the indexes that have it. */
  pin: number;
  /** The suites that have it. */
  readonly suites = new Set<string>();
  readonly #universe: Universe;
  #dependencies: readonly Dependency[] | undefined;
  #provides: readonly Provided[] | undefined;

  constructor(universe: Universe, owner: Package, record: IndexedPackage, pin: number) {
    this.#universe = universe;
    this.package = owner;
    this.record = record;
    this.pin = pin;
  }

  /** In the order in which apt walks them. */
  get dependencies(): readonly Dependency[] {
    this.#dependencies ??= dependencyFields.flatMap(([type, field]) =>
      parseRelations(this.record[field]).map((group) => this.#dependency(type, group)),
    );
    return this.#dependencies;
  }

  /** The names it provides, beside its own. */
  get provides(): readonly Provided[] {
    this.#provides ??= this.#universe.providedBy(this);
    return this.#provides;
  }

  /** `name version`, as a person reads it. */
  toString(): string {
    return `${this.package.name} ${this.record.version}`;
  }

  #dependency(type: DependencyType, group: readonly Relation[]): Dependency {
    const isNegative = type === "Conflicts" || type === "Breaks";
    return {
      owner: this,
      type,
      isNegative,
      isCritical: isNegative || type === "Pre-Depends" || type === "Depends",
      alternatives: group.map((relation) => ({ relation, target: this.#universe.targetOf(relation) })),
    };
  }
}

/** A name that packages have, provide or ask for. */
export class Package {
  readonly name: string;
  readonly #universe: Universe;
  #rank: number | undefined;
  #versions: readonly Version[] | undefined;
  #providers: readonly Provide[] | undefined;

  constructor(universe: Universe, name: string) {
    this.#universe = universe;
    this.name = name;
  }

  /** By the order in which apt's cache would have met the names: the index, then the place in it. */
  get rank(): number {
    this.#rank ??= this.#universe.rankOf(this);
    return this.#rank;
  }

  /** The highest version first. */
  get versions(): readonly Version[] {
    this.#versions ??= this.#universe.versionsOf(this);
    return this.#versions;
  }

  /** Versions of any package that provide this name; the last that was read comes first, as in apt's cache. */
  get providers(): readonly Provide[] {
    this.#providers ??= this.#universe.providersOf(this);
    return this.#providers;
  }

  get isEssential(): boolean {
    return this.name === "apt" || this.versions.some((version) => version.record.essential);
  }

  /** `Essential`, `Protected`, or apt itself: not removed without being asked. */
  get isImportant(): boolean {
    return this.name === "apt" || this.versions.some((version) => version.record.protected);
  }
}

/** Above the number of names that a suite mentions; ranks of a later index come after those of an earlier one. */
const ranksPerIndex = 2 ** 32;

/** All indexes of one architecture as one set of packages, read from the indexes as far as they are asked for. */
export class Universe {
  readonly architecture: string;
  readonly indexes: readonly PackageIndex[];
  readonly #packages = new Map<string, Package>();
  readonly #byRecord = new Map<IndexedPackage, Version>();

  constructor(indexes: readonly PackageIndex[], architecture: string) {
    this.indexes = indexes;
    this.architecture = architecture;
  }

  /** The package of a name, even if nothing has or provides it. */
  package(name: string): Package {
    const known = this.#packages.get(name);
    if (known !== undefined) return known;
    const made = new Package(this, name);
    this.#packages.set(name, made);
    return made;
  }

  /** What a relation asks for: `name:any` is a name of its own, `name:native` is the name. */
  targetOf(relation: Relation): Package {
    const { name, qualifier } = relation;
    const isPlain = qualifier === undefined || qualifier === "native" || qualifier === this.architecture;
    return this.package(isPlain ? name : `${name}:${qualifier}`);
  }

  /** @internal asked once by each package */
  versionsOf(owner: Package): Version[] {
    const versions: Version[] = [];
    for (const index of this.indexes) {
      for (const id of index.versions(owner.name)) {
        const record = index.record(id);
        // The same package in several suites is one version; the first index that has it says where it is fetched.
        let version = versions.find((other) => isSame(other.record, record));
        if (version === undefined) {
          version = new Version(this, owner, record, index.priority);
          versions.push(version);
        }
        version.pin = Math.max(version.pin, index.priority);
        version.suites.add(index.suite);
        this.#byRecord.set(record, version);
      }
    }
    return versions.sort((a, b) => compareVersions(b.record.version, a.record.version));
  }

  /** @internal asked once by each package */
  providersOf(target: Package): Provide[] {
    const provides = this.indexes.flatMap((index) =>
      index.providers(target.name).flatMap(({ id, version: as }) => {
        const record = index.record(id);
        const owner = this.package(record.name);
        const version = owner.versions.find((each) => each === this.#byRecord.get(record));
        // A provide of the package's own name and version says nothing new.
        const isOwn = owner === target && (as === undefined || as === record.version);
        return version === undefined || isOwn ? [] : [{ version, as }];
      }),
    );
    return this.#withImplicit(target, provides).reverse();
  }

  /** `name:any` is what `Multi-Arch: allowed` packages called `name`, or providing it, implicitly provide. */
  #withImplicit(target: Package, provides: Provide[]): Provide[] {
    if (!target.name.endsWith(":any")) return unique(provides);
    const plain = this.package(target.name.slice(0, -":any".length));
    const own = plain.versions.map((version) => ({ version, as: version.record.version }));
    const allowed = [...own, ...plain.providers].filter(
      ({ version }) => version.record.multiArch === "allowed",
    );
    return unique([...provides, ...allowed]);
  }

  /** @internal asked once by each version */
  providedBy(version: Version): Provided[] {
    const { provides, multiArch, version: own } = version.record;
    const provided = parseRelations(provides).flatMap((group) =>
      group.map((relation) => ({ target: this.targetOf(relation), as: relation.version })),
    );
    if (multiArch !== "allowed") return provided;
    const implicit = [{ target: version.package, as: own }, ...provided].map(({ target, as }) => ({
      target: this.package(`${target.name}:any`),
      as,
    }));
    return [...provided, ...implicit];
  }

  /** @internal asked once by each package */
  rankOf({ name }: Package): number {
    for (const [number, index] of this.indexes.entries()) {
      const rank = index.rank(name);
      if (rank !== undefined) return number * ranksPerIndex + rank;
    }
    return this.indexes.length * ranksPerIndex;
  }
}

function isSame(a: IndexedPackage, b: IndexedPackage): boolean {
  return a.version === b.version && a.sha256 === b.sha256;
}

function unique(provides: readonly Provide[]): Provide[] {
  const seen = new Map<Version, Set<string | undefined>>();
  return provides.filter(({ version, as }) => {
    const known = seen.get(version) ?? new Set();
    seen.set(version, known);
    return !known.has(as) && known.add(as);
  });
}

/**
 * Whether an alternative could be about a package at all: a package's own conflicts (or breaks) with its own name, or
 * with a name that it provides itself, do not count.
 */
export function concerns(dependency: Dependency, other: Package): boolean {
  return !dependency.isNegative || other !== dependency.owner.package;
}

/** The versions that satisfy (or, for a negative dependency, violate) an alternative, in the order apt lists them. */
export function targetsOf(
  dependency: Dependency,
  { relation, target }: Alternative,
): { readonly version: Version; readonly isReal: boolean }[] {
  const real = concerns(dependency, target)
    ? target.versions.filter((version) => satisfies(relation, version.record.version))
    : [];
  const virtual = target.providers.filter(
    ({ version, as }) => concerns(dependency, version.package) && satisfies(relation, as),
  );
  return [
    ...real.map((version) => ({ version, isReal: true })),
    ...virtual.map(({ version }) => ({ version, isReal: false })),
  ];
}
