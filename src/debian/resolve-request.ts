import { WhittleError } from "../io/index.ts";
import type { PackageIndex } from "./packages-index.ts";
import { nearMisses } from "./packages-index-suggest.ts";
import type { RootState } from "./resolve-state.ts";
import type { Package, Universe, Version } from "./resolve-universe.ts";

/** `name[:architecture][=version | /suite]`, as apt-get install takes it. */
interface Wish {
  readonly text: string;
  readonly name: string;
  readonly version?: string;
  readonly suite?: string;
}

/** Indexes of other architectures or suites, asked only to say where an unknown package does exist. */
export type Elsewhere = Readonly<Record<string, readonly PackageIndex[]>>;

const wishPattern = /^([a-z0-9][a-z0-9+.-]*)(?::([a-z0-9-]+))?(?:=([^\s/=]+)|\/([^\s/=]+))?$/;

/**
 * Finds the version that a wish stands for and makes it its package's candidate. A name that no package has, but
 * exactly one provides, stands for that one.
 *
 * @throws WhittleError `PACKAGE_UNKNOWN` with near misses, `PACKAGE_UNSATISFIABLE` for a version or suite that is not
 * there
 */
export function versionFor(
  text: string,
  universe: Universe,
  state: RootState,
  elsewhere: Elsewhere,
): Version {
  const wish = parseWish(text, universe.architecture);
  const pkg = universe.package(wish.name);
  if (wish.version === undefined && wish.suite === undefined) {
    return state.of(pkg).candidate ?? soleProvider(pkg, state) ?? unknown(wish, pkg, universe, elsewhere);
  }
  if (pkg.versions.length === 0) return unknown(wish, pkg, universe, elsewhere);
  const version = pkg.versions.find((each) =>
    wish.version === undefined ? each.suites.has(wish.suite ?? "") : each.record.version === wish.version,
  );
  if (version === undefined) throw absent(wish, pkg, universe);
  state.chooseCandidate(version);
  return version;
}

function parseWish(text: string, architecture: string): Wish {
  const match = wishPattern.exec(text);
  if (match === null) {
    throw new WhittleError(
      "PACKAGE_UNKNOWN",
      `Cannot read the package "${text}": wanted a name, name=version, name/suite or name:architecture`,
    );
  }
  const [, name = "", qualifier, version, suite] = match;
  const isHere = qualifier === undefined || ["native", "all", "any", architecture].includes(qualifier);
  if (!isHere) {
    throw new WhittleError(
      "PACKAGE_UNKNOWN",
      `Cannot install ${text}: it is of the architecture ${qualifier}, one of ${architecture} is wanted`,
    );
  }
  return {
    text,
    name,
    ...(version === undefined ? {} : { version }),
    ...(suite === undefined ? {} : { suite }),
  };
}

function soleProvider(pkg: Package, state: RootState): Version | undefined {
  const [only, ...others] = new Set(candidateProviders(pkg, state));
  return others.length === 0 ? only : undefined;
}

function candidateProviders(pkg: Package, state: RootState): Version[] {
  return pkg.providers
    .map(({ version }) => version)
    .filter((version) => state.of(version.package).candidate === version);
}

function unknown(wish: Wish, pkg: Package, universe: Universe, elsewhere: Elsewhere): never {
  const { architecture } = universe;
  const providers = [...new Set(pkg.providers.map(({ version }) => version.package.name))].sort();
  if (providers.length > 0) {
    throw new WhittleError(
      "PACKAGE_UNKNOWN",
      `Cannot install ${wish.text} for ${architecture}: it is a virtual package, one that provides it is wanted`,
      { hint: `choose one of ${providers.join(", ")}` },
    );
  }
  const places = Object.entries(elsewhere)
    .filter(([, indexes]) => indexes.some((index) => index.versions(wish.name).length > 0))
    .map(([place]) => place)
    .sort();
  const suites = [...new Set(universe.indexes.map(({ suite }) => suite))].join(", ");
  throw new WhittleError(
    "PACKAGE_UNKNOWN",
    `Cannot install ${wish.text} for ${architecture}: no package of that name is in ${suites}` +
      `${places.length === 0 ? "" : `, only for ${places.join(", ")}`}`,
    unknownHint(wish.name, universe, places),
  );
}

function unknownHint(name: string, universe: Universe, places: readonly string[]): { hint?: string } {
  if (places.length > 0) return { hint: `leave out ${universe.architecture}, or name a suite that has it` };
  const names = new Set(universe.indexes.flatMap((index) => [...index.names()]));
  const near = nearMisses(name, names);
  return near.length === 0 ? {} : { hint: `did you mean ${near.join(", ")}?` };
}

function absent(wish: Wish, pkg: Package, universe: Universe): WhittleError {
  const wanted = wish.version === undefined ? `a version in ${wish.suite}` : `version ${wish.version}`;
  const found = pkg.versions.map(
    (version) => `${version.record.version} (${[...version.suites].join(", ")})`,
  );
  return new WhittleError(
    "PACKAGE_UNSATISFIABLE",
    `Cannot install ${wish.text} for ${universe.architecture}: found ${found.join(", ")}, ${wanted} is wanted`,
  );
}
