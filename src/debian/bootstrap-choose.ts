import type { Resolution } from "./package.ts";
import type { PackageIndex } from "./packages-index.ts";
import { resolve } from "./resolve.ts";

/** The packages of a full system: the usual base, and what was asked for on top of it. */
export interface BootstrapResolution extends Resolution {
  /** Names of the packages that every such system has, asked for or not. */
  readonly base: readonly string[];
  /** Names that somebody asked for; apt removes the others when nothing needs them any more. */
  readonly manual: readonly string[];
}

/** What a full system is to have beside its base. */
export interface BootstrapRequest {
  readonly architecture: string;
  readonly packages: readonly string[];
  readonly recommends?: boolean;
}

/**
 * Chooses the packages of a full, apt-capable system: those marked essential, those of priority `required`, apt (the
 * set that debootstrap and mmdebstrap call minbase), and what is asked for.
 *
 * @param indexes - of one architecture, see `openIndex`
 * @throws WhittleError as {@link resolve}
 */
export function resolveBootstrap(
  indexes: readonly PackageIndex[],
  request: BootstrapRequest,
): BootstrapResolution {
  const { architecture, packages, recommends = false } = request;
  const required = indexes.flatMap((index) => index.requireds().map((id) => index.record(id).name));
  // What essential packages need counts as asked for, as mmdebstrap has it; what the others need does not.
  const lowest = resolve(indexes, { architecture, packages: [], essential: true });
  const wanted = [...new Set([...lowest.packages.map(({ name }) => name), ...required, "apt"])].sort();
  const base = resolve(indexes, { architecture, packages: wanted });
  const names = base.packages.map(({ name }) => name);
  const whole =
    packages.length === 0
      ? base
      : resolve(indexes, { architecture, packages: [...names, ...packages], recommends });
  const chosen = new Map(whole.packages.map((one) => [one.name, one]));
  // The base comes first and in its own order: it is the same whatever is on top of it.
  const lower = names.flatMap((name) => chosen.get(name) ?? []);
  const inBase = new Set(names);
  const upper = whole.packages.filter(({ name }) => !inBase.has(name));
  const asked = packages.map((text) => text.replace(/[:=/].*$/, ""));
  return {
    architecture,
    packages: [...lower, ...upper],
    base: lower.map(({ name }) => name).sort(),
    manual: [...new Set([...wanted, ...asked])].filter((name) => chosen.has(name)).sort(),
  };
}
