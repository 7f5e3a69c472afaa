import { type Marker, priorityNumber } from "./resolve-mark.ts";
import { byRank, type RootState } from "./resolve-state.ts";
import type { Dependency, Package } from "./resolve-universe.ts";

/** Points for a package by its priority, from none to extra. */
const priorityPoints = [0, 3, 2, 1, -1, -2];
const essentialPoints = 100;
const essentialBonus = 5000;
const requestedBonus = 10_000;
/** Points that a dependency gives its target. */
const dependencyPoints: Readonly<Record<Dependency["type"], number>> = {
  "Pre-Depends": 1,
  Depends: 1,
  Recommends: 1,
  Suggests: 0,
  Conflicts: -1,
  Breaks: -1,
};

const mostRounds = 20;

/**
 * Repairs what marking left broken, as apt's problem resolver does: from the package with the highest score to the
 * lowest, a package with a broken dependency gives way unless it scores higher than what is in its way.
 *
 * @param requested - what the person asked for; never gives way
 */
export class ProblemResolver {
  readonly #state: RootState;
  readonly #marker: Marker;
  readonly #requested: ReadonlySet<Package>;
  readonly #tried = new Set<Package>();
  #scores = new Map<Package, number>();
  #changed = false;

  constructor(state: RootState, marker: Marker, requested: ReadonlySet<Package>) {
    this.#state = state;
    this.#marker = marker;
    this.#requested = requested;
  }

  /** @returns whether nothing is broken any more */
  resolve(): boolean {
    if (this.#state.broken().length === 0) return true;
    this.#scores = scoresOf(this.#state, this.#requested);
    const order = new Map(this.#scores);
    for (let round = 0; round < mostRounds && (round === 0 || this.#changed); round++) {
      this.#changed = false;
      this.#onePass(order, round);
    }
    return this.#state.broken().length === 0;
  }

  /** Looks at every package once, in the order that the scores had at the start, including those marked meanwhile. */
  #onePass(order: ReadonlyMap<Package, number>, round: number): void {
    const before = (a: Package, b: Package) => (order.get(b) ?? 0) - (order.get(a) ?? 0) || byRank(a, b);
    const seen = new Set<Package>();
    let last: Package | undefined;
    for (;;) {
      const after = last;
      const next = this.#state
        .broken()
        .filter((pkg) => !seen.has(pkg) && (after === undefined || before(after, pkg) < 0))
        .sort(before)[0];
      if (next === undefined) return;
      seen.add(next);
      last = next;
      this.#repair(next, round);
    }
  }

  #repair(pkg: Package, round: number): void {
    const inTheWay: Package[] = [];
    for (const dependency of this.#state.of(pkg).install?.dependencies ?? []) {
      if (!dependency.isCritical || this.#state.holds(dependency)) continue;
      if (this.#repairOne(pkg, dependency, inTheWay)) break;
    }
    if (this.#state.of(pkg).install !== undefined) this.#clear(pkg, inTheWay, round);
  }

  /** @returns whether the package has given way, so that its other dependencies do not matter now */
  #repairOne(pkg: Package, dependency: Dependency, inTheWay: Package[]): boolean {
    const isChoice = dependency.alternatives.length > 1;
    const found = inTheWay.length;
    let hasYielded = false;
    for (const alternative of dependency.alternatives) {
      if (this.#state.holds(dependency)) return false;
      const wasMarked = this.#state.of(pkg).mode === "install";
      const targets = this.#state.targets(dependency, alternative);
      if (targets.length === 0 && !this.#state.of(pkg).isProtected && !dependency.isNegative) {
        if (isChoice) continue;
        this.#yield(pkg);
        return true;
      }
      if (!this.#consider(pkg, dependency, targets, inTheWay)) continue;
      hasYielded = true;
      if (!isChoice) return true;
      // Another alternative may spare it.
      if (wasMarked) this.#marker.install(pkg, { withDependencies: false });
    }
    if (isChoice && inTheWay.length === found) {
      if (hasYielded) this.#yield(pkg);
      else if (!this.#state.of(pkg).isProtected) {
        this.#marker.remove(pkg);
        this.#changed = true;
      }
    }
    return false;
  }

  /** @returns whether the package has given way to one of the targets */
  #consider(
    pkg: Package,
    dependency: Dependency,
    targets: ReturnType<RootState["targets"]>,
    inTheWay: Package[],
  ): boolean {
    for (const { version } of targets) {
      const other = version.package;
      if (dependency.isNegative && this.#state.of(other).install !== version) continue;
      if (!dependency.isNegative || this.#score(pkg) <= this.#score(other)) {
        if (!this.#state.of(pkg).isProtected) {
          this.#yield(pkg);
          return true;
        }
        if (this.#reinstate(other)) {
          this.#scores.set(other, Math.min(this.#score(other), this.#score(pkg)));
          return false;
        }
      } else if (dependency.type === "Breaks" && !this.#candidatesViolate(dependency)) {
        this.#marker.install(other, { withDependencies: false });
      } else if (!this.#state.of(other).isProtected) {
        inTheWay.push(other);
      }
    }
    return false;
  }

  #candidatesViolate(dependency: Dependency): boolean {
    return dependency.alternatives.some((alternative) => this.#state.candidatesMeet(dependency, alternative));
  }

  #yield(pkg: Package): void {
    this.#marker.keep(pkg);
    this.#changed = true;
  }

  /** Removes what is in the way of a package that scored higher. */
  #clear(pkg: Package, inTheWay: readonly Package[], round: number): void {
    for (const other of inTheWay) {
      const isGone = this.#marker.keep(other);
      if ((!isGone || round > 1) && this.#score(pkg) > this.#score(other)) {
        this.#scores.set(other, this.#score(pkg));
        this.#changed = true;
      }
      if (isGone) this.#changed = true;
    }
  }

  /** Marks a package if that, with what it needs, breaks nothing; tried once for each. */
  #reinstate(pkg: Package): boolean {
    if (this.#tried.has(pkg) || this.#state.of(pkg).candidate === undefined || this.#requested.has(pkg)) {
      return false;
    }
    this.#tried.add(pkg);
    if (!this.#marker.install(pkg, { withDependencies: false })) return false;
    const dependencies = this.#state.of(pkg).install?.dependencies ?? [];
    const isFine = dependencies.every(
      (dependency) => !dependency.isCritical || this.#reinstateFor(dependency),
    );
    if (!isFine) this.#marker.keep(pkg);
    return isFine;
  }

  #reinstateFor(dependency: Dependency): boolean {
    let isFine = true;
    for (const alternative of dependency.alternatives) {
      if (this.#state.holds(dependency)) break;
      const other = soleTarget(dependency, alternative.target);
      if (this.#state.of(other).isProtected) isFine = false;
      else if (dependency.isNegative) break;
      else if (this.#state.candidatesMeet(dependency, alternative)) {
        isFine = this.#reinstate(other);
        if (isFine) break;
      } else isFine = false;
    }
    return isFine;
  }

  #score(pkg: Package): number {
    return this.#scores.get(pkg) ?? 0;
  }
}

/** The package that a name stands for: itself if it is real, else the first that provides it. */
function soleTarget(dependency: Dependency, target: Package): Package {
  if (target.versions.length > 0) return target;
  const other = target.providers.find(({ version }) => version.package !== dependency.owner.package);
  return other?.version.package ?? target;
}

/** How much breakage it would cause to give a package up, by apt's rules. */
function scoresOf(state: RootState, requested: ReadonlySet<Package>): Map<Package, number> {
  const scores = new Map<Package, number>();
  const add = (pkg: Package, points: number) => scores.set(pkg, (scores.get(pkg) ?? 0) + points);
  const installed = state.installed();
  for (const pkg of installed) {
    const version = state.of(pkg).install;
    if (version === undefined) continue;
    add(
      pkg,
      (pkg.isEssential || pkg.isImportant ? essentialPoints : 0) +
        (priorityPoints[priorityNumber(version)] ?? 0),
    );
    for (const dependency of version.dependencies) scoreTargets(state, dependency, add);
  }
  // One level of inheritance: what something important depends on is important.
  const inherited = new Map(scores);
  for (const pkg of installed) {
    const score = inherited.get(pkg) ?? 0;
    if (score <= 0) continue;
    for (const { type, alternatives } of state.of(pkg).install?.dependencies ?? []) {
      if (type !== "Depends" && type !== "Pre-Depends" && type !== "Recommends") continue;
      for (const { target } of alternatives) if (state.of(target).install !== undefined) add(target, score);
    }
  }
  for (const pkg of installed) {
    const transfer = Math.abs((scores.get(pkg) ?? 0) - (inherited.get(pkg) ?? 0));
    const providers = pkg.providers.filter(({ version }) => state.of(version.package).install === version);
    if (transfer !== 0) for (const provider of packagesOf(providers)) add(provider, transfer);
  }
  for (const pkg of requested) add(pkg, requestedBonus);
  for (const pkg of scores.keys()) if (pkg.isEssential || pkg.isImportant) add(pkg, essentialBonus);
  return scores;
}

function scoreTargets(
  state: RootState,
  dependency: Dependency,
  add: (pkg: Package, points: number) => void,
): void {
  const points = dependencyPoints[dependency.type];
  if (points === 0) return;
  for (const alternative of dependency.alternatives) {
    const { relation, target } = alternative;
    const met = state
      .targets(dependency, alternative)
      .filter(({ version }) => state.of(version.package).install === version);
    const isRealMet = met.some(({ isReal }) => isReal);
    if (dependency.isNegative && target === dependency.owner.package) continue;
    if (relation.operator !== undefined && !isRealMet) continue;
    add(target, points);
    for (const provider of packagesOf(met.filter(({ isReal }) => !isReal))) add(provider, points);
  }
}

function packagesOf(entries: readonly { readonly version: { readonly package: Package } }[]): Set<Package> {
  return new Set(entries.map(({ version }) => version.package));
}
