import { WhittleError } from "../io/index.ts";
import { formatRelation } from "./relations.ts";
import type { RootState } from "./resolve-state.ts";
import type { Alternative, Dependency, Package, Universe, Version } from "./resolve-universe.ts";

/** Two packages that exclude each other, with the words of the one that says so. */
interface Clash {
  readonly by: Version;
  readonly dependency: Dependency;
  readonly other: Version;
}

/** How deep a chain of reasons is followed. */
const longestChain = 40;

/**
 * Says why nothing satisfies a request: for each package that stays broken the chain from the request to what is
 * lacking and what was found instead, or the two that exclude each other and who wants them.
 */
export function explainFailure(
  state: RootState,
  universe: Universe,
  wanted: ReadonlySet<Package>,
): WhittleError {
  const explainer = new Explainer(state, wanted);
  const lines = state.broken().flatMap((pkg) => explainer.explain(pkg));
  const asked = [...wanted].map(({ name }) => name).join(" ");
  return new WhittleError(
    explainer.clashes > 0 ? "PACKAGE_CONFLICT" : "PACKAGE_UNSATISFIABLE",
    `Cannot install ${asked} for ${universe.architecture}: ${[...new Set(lines)].join("; ")}`,
  );
}

class Explainer {
  clashes = 0;
  readonly #state: RootState;
  readonly #wanted: ReadonlySet<Package>;
  readonly #explained = new Set<Package>();

  constructor(state: RootState, wanted: ReadonlySet<Package>) {
    this.#state = state;
    this.#wanted = wanted;
  }

  explain(pkg: Package): string[] {
    const version = this.#state.of(pkg).install;
    if (version === undefined || this.#explained.has(pkg)) return [];
    this.#explained.add(pkg);
    return this.#state
      .brokenDependencies(pkg)
      .flatMap((dependency) =>
        dependency.isNegative ? this.#violated(dependency) : this.#lacking(dependency, this.#wayTo(pkg), 0),
      );
  }

  /** The chain of who wants whom from the request to a package that is marked. */
  #wayTo(pkg: Package): Version[] {
    const from = new Map<Package, Package | undefined>();
    const queue = [...this.#wanted];
    for (const start of queue) from.set(start, undefined);
    for (let at = queue.shift(); at !== undefined && at !== pkg; at = queue.shift()) {
      for (const next of this.#marked(at)) {
        if (from.has(next)) continue;
        from.set(next, at);
        queue.push(next);
      }
    }
    const way: Version[] = [];
    for (let at: Package | undefined = pkg; at !== undefined; at = from.get(at)) {
      const { install } = this.#state.of(at);
      if (install !== undefined) way.unshift(install);
    }
    return way;
  }

  #marked(pkg: Package): Package[] {
    return (this.#state.of(pkg).install?.dependencies ?? [])
      .filter((dependency) => !dependency.isNegative && this.#state.isImportant(dependency))
      .flatMap((dependency) =>
        dependency.alternatives.flatMap((alternative) => this.#state.targets(dependency, alternative)),
      )
      .filter(({ version }) => this.#state.of(version.package).install === version)
      .map(({ version }) => version.package);
  }

  #violated(dependency: Dependency): string[] {
    const others = dependency.alternatives.flatMap((alternative) =>
      this.#state.targets(dependency, alternative),
    );
    return others
      .filter(({ version }) => this.#state.of(version.package).install === version)
      .map(({ version }) => this.#clash({ by: dependency.owner, dependency, other: version }, []));
  }

  /** Follows what could have met a dependency down to what really is in the way. */
  #lacking(dependency: Dependency, way: readonly Version[], depth: number): string[] {
    const candidates = dependency.alternatives
      .flatMap((alternative) => this.#state.targets(dependency, alternative))
      .map(({ version }) => version);
    const [first] = candidates;
    if (first === undefined || depth > longestChain) return [this.#nothing(dependency, way)];
    const clash = this.#clashOf(first);
    if (clash !== undefined) return [this.#clash(clash, [...way, first])];
    if (this.#explained.has(first.package)) return [];
    this.#explained.add(first.package);
    const deeper = first.dependencies
      .filter((each) => each.isCritical && !each.isNegative && !this.#state.holds(each))
      .flatMap((each) => this.#lacking(each, [...way, first], depth + 1));
    return deeper.length > 0
      ? deeper.slice(0, 1)
      : [`${chain(way)} wants ${wish(dependency)}, which is not to be installed`];
  }

  /** What excludes a version: something marked that it conflicts with, or that conflicts with it. */
  #clashOf(version: Version): Clash | undefined {
    for (const dependency of version.dependencies) {
      if (!dependency.isNegative || this.#state.holds(dependency)) continue;
      const other = this.#violators(dependency)[0];
      if (other !== undefined) return { by: version, dependency, other };
    }
    for (const pkg of this.#state.installed()) {
      const by = this.#state.of(pkg).install;
      const dependency = by?.dependencies.find((each) => each.isNegative && this.#isAgainst(each, version));
      if (by !== undefined && dependency !== undefined) return { by, dependency, other: version };
    }
    return undefined;
  }

  #violators(dependency: Dependency): Version[] {
    return dependency.alternatives
      .flatMap((alternative) => this.#state.targets(dependency, alternative))
      .map(({ version }) => version)
      .filter((version) => this.#state.of(version.package).install === version);
  }

  #isAgainst(dependency: Dependency, version: Version): boolean {
    return dependency.alternatives.some((alternative) =>
      this.#state.targets(dependency, alternative).some((target) => target.version === version),
    );
  }

  #clash({ by, dependency, other }: Clash, way: readonly Version[]): string {
    this.clashes++;
    const verb = dependency.type === "Breaks" ? "breaks" : "conflicts with";
    const whose = (version: Version) =>
      way.at(-1) === version ? chain(way.slice(0, -1)) : chain(this.#wayTo(version.package).slice(0, -1));
    const wanting = (version: Version) => {
      const who = whose(version);
      return who === "" ? "asked for" : `wanted by ${who}`;
    };
    return `${by} (${wanting(by)}) ${verb} ${wish(dependency)}, which is ${other} (${wanting(other)})`;
  }

  #nothing(dependency: Dependency, way: readonly Version[]): string {
    const found = dependency.alternatives.map((alternative) => foundInstead(alternative)).join(", ");
    return `${chain(way)} wants ${wish(dependency)}: ${found}`;
  }
}

function chain(way: readonly Version[]): string {
  return way.map(String).join(" → ");
}

function wish(dependency: Dependency): string {
  return dependency.alternatives.map(({ relation }) => formatRelation(relation)).join(" | ");
}

function foundInstead({ target }: Alternative): string {
  const versions = target.versions.map(({ record }) => record.version);
  if (versions.length > 0) return `${target.name} is there in version ${versions.join(", ")}`;
  const providers = target.providers.map(({ version, as }) => `${version} as ${as ?? "no version"}`);
  return providers.length > 0
    ? `${target.name} is provided by ${providers.join(", ")}`
    : `there is no package ${target.name}`;
}
