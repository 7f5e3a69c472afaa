import type { Resolution } from "./package.ts";
import type { IndexedPackage, PackageIndex } from "./packages-index.ts";
import { explainFailure } from "./resolve-explain.ts";
import { Marker } from "./resolve-mark.ts";
import { dependencyOrder } from "./resolve-order.ts";
import { ProblemResolver } from "./resolve-problems.ts";
import { type Elsewhere, versionFor } from "./resolve-request.ts";
import { RootState } from "./resolve-state.ts";
import { sweep } from "./resolve-sweep.ts";
import { Universe } from "./resolve-universe.ts";

/** What to install into an empty root. */
export interface ResolveRequest {
  /** A Debian architecture; `all` packages belong to each. */
  readonly architecture: string;
  /** In the order asked for: `name`, `name=version`, `name/suite`, `name:architecture`. */
  readonly packages: readonly string[];
  /** Follow Recommends as well; no unless said. */
  readonly recommends?: boolean;
  /** Also every package marked essential; no unless said. */
  readonly essential?: boolean;
  /** Names that must not be installed, whoever wants them. */
  readonly exclude?: readonly string[];
  /** Indexes of other architectures or suites by their names, to say where an unknown package does exist. */
  readonly elsewhere?: Elsewhere;
}

/** A resolution that keeps everything that the index says about each package. */
export interface IndexedResolution extends Resolution {
  readonly packages: readonly IndexedPackage[];
}

/**
 * Finds what `apt-get install` (the classic solver of apt 2 and 3) would install into an empty root: the same set,
 * dependencies first. Essential packages come only when something wants them.
 *
 * @param indexes - of one architecture, in the order of the sources; see `openIndex`
 * @throws WhittleError `PACKAGE_UNKNOWN`, `PACKAGE_UNSATISFIABLE`, `PACKAGE_CONFLICT`
 */
export function resolve(indexes: readonly PackageIndex[], request: ResolveRequest): IndexedResolution {
  const universe = new Universe(indexes, request.architecture);
  const state = new RootState(request.recommends ?? false);
  const marker = new Marker(state);
  for (const name of request.exclude ?? []) state.of(universe.package(name)).isProtected = true;

  const names = [...request.packages, ...(request.essential ? essentialNames(indexes) : [])];
  const wanted = new Set(
    names.map((text) => versionFor(text, universe, state, request.elsewhere ?? {}).package),
  );
  for (const pkg of wanted) {
    state.of(pkg).isProtected = true;
    marker.install(pkg, { withDependencies: false, fromUser: true });
  }
  for (const pkg of wanted) marker.install(pkg, { withDependencies: true, fromUser: true });
  if (!new ProblemResolver(state, marker, wanted).resolve()) throw explainFailure(state, universe, wanted);
  sweep(state, marker);

  const selected = new Map(
    state.installed().flatMap((pkg) => {
      const version = state.of(pkg).install;
      return version === undefined ? [] : [[pkg, version] as const];
    }),
  );
  return {
    architecture: request.architecture,
    packages: dependencyOrder(selected).map(({ record }) => record),
  };
}

function essentialNames(indexes: readonly PackageIndex[]): string[] {
  const names = indexes.flatMap((index) => index.essentials().map((id) => index.record(id).name));
  return [...new Set(names)].sort();
}
