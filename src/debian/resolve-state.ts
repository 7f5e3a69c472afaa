import { satisfies } from "./relations.ts";
import {
  type Alternative,
  concerns,
  type Dependency,
  type Package,
  type Provide,
  targetsOf,
  type Version,
} from "./resolve-universe.ts";

/** What is decided about one package so far. */
export interface PackageState {
  /** The version that would be installed; `undefined` when there is none or it was ruled out. */
  candidate: Version | undefined;
  install: Version | undefined;
  mode: "keep" | "install";
  /** Only the person may change it again. */
  isProtected: boolean;
  /** Installed because something needed it, not because it was asked for. */
  isAuto: boolean;
}

interface Changes {
  /** The candidate before it was ruled out, and when that was. */
  readonly ruledOut: Map<Package, { readonly candidate: Version; readonly at: number }>;
  /** When dependencies on the package's own name were last looked at anew. */
  readonly refreshed: Map<Package, number>;
  /** The same for dependencies on the names that its candidate provides. */
  readonly providesRefreshed: Map<Package, number>;
}

/**
 * The state of all packages in a root that starts empty, as apt's dependency cache keeps it.
 *
 * apt caches for each dependency whether candidates satisfy it, and ruling a candidate out does not refresh that
 * cache: only a later change of a related package does. What apt then decides follows from the stale answer, so the
 * answer is given here as of the last refresh: `isSatisfiableByCandidates`.
 */
export class RootState {
  readonly recommends: boolean;
  readonly #states = new Map<Package, PackageState>();
  readonly #installed = new Set<Package>();
  /** What provides a name, of all that is to be installed. */
  readonly #provides = new Map<Package, Set<Provide>>();
  readonly #targets = new Map<Alternative, ReturnType<typeof targetsOf>>();
  readonly #changes: Changes = { ruledOut: new Map(), refreshed: new Map(), providesRefreshed: new Map() };
  #clock = 0;

  constructor(recommends: boolean) {
    this.recommends = recommends;
  }

  /** The state of a package; made when first asked for. */
  of(pkg: Package): PackageState {
    const known = this.#states.get(pkg);
    if (known !== undefined) return known;
    const state: PackageState = {
      candidate: defaultCandidate(pkg),
      install: undefined,
      mode: "keep",
      isProtected: false,
      isAuto: false,
    };
    this.#states.set(pkg, state);
    return state;
  }

  /** The packages with a version to install, in the order of their ranks. */
  installed(): Package[] {
    return [...this.#installed].sort(byRank);
  }

  /** Sets what is to be installed of a package and lets everything related see it. */
  setInstall(pkg: Package, version: Version | undefined): void {
    const state = this.of(pkg);
    this.#forgetProvides(state.install);
    this.#addProvides(version);
    state.install = version;
    state.mode = version === undefined ? "keep" : "install";
    if (version === undefined) this.#installed.delete(pkg);
    else this.#installed.add(pkg);
    this.#refresh(pkg);
  }

  /** Chooses another candidate, before anything is decided. */
  chooseCandidate(version: Version): void {
    this.of(version.package).candidate = version;
  }

  /** Makes the candidate what is to be installed, which may be nothing. Caches elsewhere do not see it: see above. */
  discardCandidate(pkg: Package): void {
    const state = this.of(pkg);
    const { candidate } = state;
    if (candidate === state.install) return;
    state.candidate = state.install;
    if (candidate !== undefined && state.install === undefined) {
      this.#changes.ruledOut.set(pkg, { candidate, at: ++this.#clock });
    }
  }

  /** Rules the candidate out although the package may be marked for installation. */
  ruleOut(pkg: Package): void {
    const state = this.of(pkg);
    if (state.candidate !== undefined) {
      this.#changes.ruledOut.set(pkg, { candidate: state.candidate, at: ++this.#clock });
    }
    state.candidate = undefined;
    state.mode = "keep";
  }

  /** Depends, Pre-Depends, Conflicts, Breaks; Recommends where they are followed. */
  isImportant(dependency: Dependency): boolean {
    return dependency.isCritical || (dependency.type === "Recommends" && this.recommends);
  }

  /** Whether what is to be installed meets an alternative; for a negative dependency: violates it. */
  meets(dependency: Dependency, alternative: Alternative): boolean {
    const { relation, target } = alternative;
    const installed = this.#states.get(target)?.install;
    if (
      installed !== undefined &&
      concerns(dependency, target) &&
      satisfies(relation, installed.record.version)
    ) {
      return true;
    }
    for (const { version, as } of this.#provides.get(target) ?? []) {
      if (concerns(dependency, version.package) && satisfies(relation, as)) return true;
    }
    return false;
  }

  /** Whether a dependency holds with what is to be installed. */
  holds(dependency: Dependency): boolean {
    const isMet = dependency.alternatives.some((alternative) => this.meets(dependency, alternative));
    return isMet !== dependency.isNegative;
  }

  /** Whether candidates met an alternative when apt last looked; for a negative dependency: violated it. */
  candidatesMeet(dependency: Dependency, alternative: Alternative): boolean {
    const targets = this.targets(dependency, alternative);
    const seenAt = targets.reduce(
      (latest, { version }) => Math.max(latest, this.#changes.providesRefreshed.get(version.package) ?? 0),
      this.#changes.refreshed.get(alternative.target) ?? 0,
    );
    return targets.some(({ version }) => this.#candidateAt(version.package, seenAt) === version);
  }

  /** The versions that an alternative is about, in apt's order. */
  targets(dependency: Dependency, alternative: Alternative): ReturnType<typeof targetsOf> {
    let targets = this.#targets.get(alternative);
    if (targets === undefined) {
      targets = targetsOf(dependency, alternative);
      this.#targets.set(alternative, targets);
    }
    return targets;
  }

  /** The critical dependencies of what is to be installed of a package that do not hold. */
  brokenDependencies(pkg: Package): Dependency[] {
    const { install } = this.of(pkg);
    return (install?.dependencies ?? []).filter(
      (dependency) => dependency.isCritical && !this.holds(dependency),
    );
  }

  isBroken(pkg: Package): boolean {
    const { install } = this.of(pkg);
    return install?.dependencies.some((d) => d.isCritical && !this.holds(d)) === true;
  }

  /** Broken, or lacking something recommended that is wanted. */
  isPolicyBroken(pkg: Package): boolean {
    const { install } = this.of(pkg);
    return install?.dependencies.some((d) => this.isImportant(d) && !this.holds(d)) === true;
  }

  broken(): Package[] {
    return this.installed().filter((pkg) => this.isBroken(pkg));
  }

  #addProvides(version: Version | undefined): void {
    for (const { target, as } of version?.provides ?? []) {
      const provides = this.#provides.get(target) ?? new Set();
      this.#provides.set(target, provides);
      if (version !== undefined) provides.add({ version, as });
    }
  }

  #forgetProvides(version: Version | undefined): void {
    for (const { target } of version?.provides ?? []) {
      const provides = this.#provides.get(target) ?? new Set();
      for (const provide of provides) if (provide.version === version) provides.delete(provide);
    }
  }

  #candidateAt(pkg: Package, time: number): Version | undefined {
    const ruledOut = this.#changes.ruledOut.get(pkg);
    return ruledOut !== undefined && ruledOut.at > time ? ruledOut.candidate : this.of(pkg).candidate;
  }

  #refresh(pkg: Package): void {
    this.#clock++;
    this.#changes.refreshed.set(pkg, this.#clock);
    if (this.of(pkg).candidate !== undefined) this.#changes.providesRefreshed.set(pkg, this.#clock);
  }
}

/** By the order of first mention: apt's package numbers. */
export function byRank(a: Package, b: Package): number {
  return a.rank - b.rank || (a.name < b.name ? -1 : 1);
}

/** The version with the highest pin, among those the highest version; a negative pin forbids. */
export function defaultCandidate(pkg: Package): Version | undefined {
  let best: Version | undefined;
  for (const version of pkg.versions) {
    if (version.pin >= 0 && (best === undefined || version.pin > best.pin)) best = version;
  }
  return best;
}
