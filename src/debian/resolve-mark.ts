import type { RootState } from "./resolve-state.ts";
import type { Dependency, Package, Version } from "./resolve-universe.ts";

/** How deep apt follows dependencies before it gives up on a branch. */
const deepest = 3000;

/** How a package comes to be marked. */
export interface Marking {
  /** Also mark what it needs. */
  readonly withDependencies: boolean;
  /** The person asked for it, so no earlier decision stands against it. */
  readonly fromUser?: boolean;
  readonly depth?: number;
}

/** What one `install` has to do about its dependencies, and how far it may insist. */
interface Insistence {
  readonly pkg: Package;
  readonly depth: number;
  readonly fromUser: boolean;
  /** The package was protected before: what it needs without a choice is protected in turn. */
  readonly propagates: boolean;
}

/**
 * Marks packages for installation as apt does: depth first, the first alternative that can be installed, giving up a
 * package that cannot be completed unless it was asked for.
 */
export class Marker {
  readonly #state: RootState;

  constructor(state: RootState) {
    this.#state = state;
  }

  /** @returns whether the package, with its dependencies if wanted, is now marked */
  install(pkg: Package, marking: Marking): boolean {
    const { withDependencies, fromUser = false, depth = 0 } = marking;
    const state = this.#state.of(pkg);
    if (!this.#mayChange(pkg, "install", fromUser, depth) || state.candidate === undefined) return false;
    const isComplete = !state.isProtected && state.mode === "install" && !this.#state.isPolicyBroken(pkg);
    if (isComplete) return true;
    if (withDependencies && !this.#isSatisfiable(pkg, state.candidate)) return false;

    const insistence = { pkg, depth, fromUser, propagates: state.isProtected };
    if (fromUser) this.#setInstall(pkg, fromUser);
    const isPicky = !state.isProtected && !fromUser;
    let hasFailed = false;
    const wanted: Dependency[] = [];
    if (withDependencies) {
      const pending = this.#pending(state.candidate, state.isProtected);
      wanted.push(...pending.filter((dependency) => !dependency.isNegative));
      const unwanted = pending.filter((dependency) => dependency.isNegative);
      if (!this.#removeConflicting(unwanted, insistence)) {
        if (isPicky) return false;
        hasFailed = true;
      }
    }
    if (!fromUser) this.#setInstall(pkg, fromUser);
    if (!withDependencies) return !hasFailed;
    if (!this.#installWanted(wanted, insistence)) {
      if (isPicky) {
        this.#discard(pkg);
        return false;
      }
      hasFailed = true;
    }
    return !hasFailed;
  }

  /** Takes a mark back. */
  keep(pkg: Package, depth = 0): boolean {
    if (!this.#mayChange(pkg, "keep", false, depth)) return false;
    if (this.#state.of(pkg).mode === "install") this.#state.setInstall(pkg, undefined);
    return true;
  }

  /** Takes a mark back for good; refused for what was asked for and for essential packages. */
  remove(pkg: Package, depth = 0): boolean {
    if (!this.#mayChange(pkg, "remove", false, depth)) return false;
    const state = this.#state.of(pkg);
    if (state.install === undefined) return true;
    if (!state.isAuto) return false;
    this.#state.setInstall(pkg, undefined);
    return true;
  }

  #mayChange(pkg: Package, mode: "install" | "keep" | "remove", fromUser: boolean, depth: number): boolean {
    if (depth > deepest || pkg.versions.length === 0) return false;
    if (fromUser) return true;
    const state = this.#state.of(pkg);
    if (state.mode === mode) return true;
    if (state.isProtected) return false;
    return mode !== "remove" || !(pkg.isEssential || pkg.isImportant);
  }

  #setInstall(pkg: Package, fromUser: boolean): void {
    const state = this.#state.of(pkg);
    if (state.isProtected && state.install !== undefined && state.install === state.candidate) return;
    state.isAuto = !fromUser;
    this.#state.setInstall(pkg, state.candidate);
  }

  /** Whether candidates could meet every critical dependency; if not, the candidate is ruled out. */
  #isSatisfiable(pkg: Package, candidate: Version): boolean {
    const lacking = candidate.dependencies.find(
      (dependency) =>
        dependency.isCritical &&
        !dependency.isNegative &&
        !dependency.alternatives.some(
          (alternative) =>
            this.#state.meets(dependency, alternative) || this.#state.candidatesMeet(dependency, alternative),
        ),
    );
    if (lacking === undefined) return true;
    if (!this.#state.of(pkg).isProtected) this.#state.ruleOut(pkg);
    return false;
  }

  /** The dependencies that something has to be done about; all of them where protection is to be handed on. */
  #pending(version: Version, propagates: boolean): Dependency[] {
    return version.dependencies.filter(
      (dependency) =>
        this.#state.isImportant(dependency) &&
        (propagates ||
          !dependency.alternatives.some((a) => this.#state.meets(dependency, a) !== dependency.isNegative)),
    );
  }

  /** Unmarks what a package conflicts with, and keeps it from being marked where the package is protected. */
  #removeConflicting(conflicts: readonly Dependency[], insistence: Insistence): boolean {
    const { depth, fromUser, propagates } = insistence;
    let hasFailed = false;
    for (const conflict of conflicts) {
      for (const version of this.#solutions(conflict)) {
        const other = version.package;
        const state = this.#state.of(other);
        if (state.candidate !== version) continue;
        if (state.mode === "install" && !this.keep(other, depth)) {
          hasFailed = true;
          if (!propagates && !fromUser) return false;
        } else if (propagates) {
          this.#state.discardCandidate(other);
          state.isProtected = true;
        }
      }
    }
    return !hasFailed;
  }

  #installWanted(wanted: readonly Dependency[], insistence: Insistence): boolean {
    const { pkg, fromUser, propagates } = insistence;
    const state = this.#state.of(pkg);
    const wasProtected = state.isProtected;
    state.isProtected = true;
    let hasFailed = false;
    for (const dependency of wanted) {
      const isInstalled = this.#state.holds(dependency);
      if (isInstalled && !propagates) continue;
      const done = isInstalled
        ? this.#protectOnlySolution(dependency, insistence)
        : this.#installOne(dependency, insistence) || !dependency.isCritical;
      if (done) continue;
      hasFailed = true;
      if (!isInstalled && !propagates && !fromUser) break;
    }
    state.isProtected = wasProtected;
    return !hasFailed;
  }

  /** Protects what alone can meet a dependency of a protected package. */
  #protectOnlySolution(dependency: Dependency, { depth }: Insistence): boolean {
    if (!dependency.isCritical) return true;
    const [only, ...others] = new Set(this.#solutions(dependency));
    if (only === undefined || others.length > 0) return true;
    const state = this.#state.of(only.package);
    if (state.isProtected) return true;
    state.isProtected = true;
    return this.install(only.package, { withDependencies: true, depth: depth + 1 });
  }

  /** Marks the first solution of a dependency that can be completed. */
  #installOne(dependency: Dependency, { depth, propagates }: Insistence): boolean {
    const solutions = this.#solutions(dependency);
    for (const version of solutions) {
      const other = version.package;
      const state = this.#state.of(other);
      if (state.candidate !== version) continue;
      if (propagates && dependency.isCritical && solutions.length === 1) {
        if (!this.install(other, { withDependencies: false, depth: depth + 1 })) continue;
        state.isProtected = true;
      }
      if (this.install(other, { withDependencies: true, depth: depth + 1 })) return true;
    }
    return false;
  }

  /** Candidates that meet (or, for a conflict, violate) a dependency, the preferred first. */
  #solutions(dependency: Dependency): Version[] {
    const versions = dependency.alternatives.flatMap((alternative) => {
      // apt asks its cache first, which may be out of date: see RootState.
      if (!this.#state.candidatesMeet(dependency, alternative)) return [];
      return this.#state
        .targets(dependency, alternative)
        .map(({ version }) => version)
        .filter((version) => this.#state.of(version.package).candidate === version)
        .sort((a, b) => this.#preference(a, b, alternative.target));
    });
    const distinct = versions.filter((version, index) => version !== versions[index - 1]);
    if (dependency.isNegative) return distinct;
    return distinct.filter(({ package: pkg }) => {
      const { isProtected, mode } = this.#state.of(pkg);
      return !(isProtected && mode === "keep");
    });
  }

  /** apt's order of providers: protected, the package itself, essential, by priority, the last that was mentioned. */
  #preference(a: Version, b: Version, target: Package): number {
    if (a === b) return 0;
    const first = (test: (version: Version) => boolean) => Number(test(b)) - Number(test(a));
    return (
      first((version) => this.#state.of(version.package).isProtected) ||
      first((version) => version.package === target) ||
      first((version) => version.package.isEssential) ||
      first((version) => version.package.isImportant) ||
      priorityNumber(a) - priorityNumber(b) ||
      b.package.rank - a.package.rank
    );
  }

  #discard(pkg: Package): void {
    this.#state.setInstall(pkg, undefined);
    this.#state.discardCandidate(pkg);
  }
}

const priorities = ["", "required", "important", "standard", "optional", "extra"];

/** From 1 (required) to 5 (extra), which is also what an unknown priority counts as; 0 where the field is missing. */
export function priorityNumber(version: Version): number {
  const number = priorities.indexOf(version.record.priority);
  return number < 0 ? priorities.length - 1 : number;
}
