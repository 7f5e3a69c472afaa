import type { Marker } from "./resolve-mark.ts";
import type { RootState } from "./resolve-state.ts";
import type { Dependency, Package } from "./resolve-universe.ts";

/**
 * Unmarks what was marked on the way but is not needed in the end, as apt does before it installs; what turns out to
 * be needed by something that stays is marked again.
 */
export function sweep(state: RootState, marker: Marker): void {
  const needed = reachable(state);
  const removed = state.installed().filter((pkg) => !needed.has(pkg) && marker.remove(pkg));
  const isDamaged = () => state.installed().some((pkg) => state.isPolicyBroken(pkg));
  if (removed.length === 0 || !isDamaged()) return;
  const candidates = new Set(removed);
  for (;;) {
    const back = [...candidates].find((pkg) => isWanted(state, pkg));
    if (back === undefined) return;
    marker.install(back, { withDependencies: false });
    candidates.delete(back);
  }
}

/** Everything that a package that was asked for, or is essential, leads to; Suggests keep what is there as well. */
function reachable(state: RootState): Set<Package> {
  const reached = new Set<Package>();
  const pending = state
    .installed()
    .filter((pkg) => !state.of(pkg).isAuto || pkg.isEssential || pkg.isImportant);
  for (let pkg = pending.pop(); pkg !== undefined; pkg = pending.pop()) {
    if (reached.has(pkg)) continue;
    reached.add(pkg);
    for (const dependency of state.of(pkg).install?.dependencies ?? []) {
      if (!dependency.isNegative) pending.push(...meeting(state, dependency));
    }
  }
  return reached;
}

function meeting(state: RootState, dependency: Dependency): Package[] {
  return dependency.alternatives.flatMap((alternative) =>
    state
      .targets(dependency, alternative)
      .filter(({ version }) => state.of(version.package).install === version)
      .map(({ version }) => version.package),
  );
}

/** Whether something that stays depends on a package or on a name that it provides, whatever the version. */
function isWanted(state: RootState, pkg: Package): boolean {
  const names = new Set([pkg, ...(state.of(pkg).candidate?.provides ?? []).map(({ target }) => target)]);
  return state
    .installed()
    .some((other) =>
      state
        .of(other)
        .install?.dependencies.some(
          (dependency) =>
            !dependency.isNegative &&
            state.isImportant(dependency) &&
            dependency.alternatives.some(({ target }) => names.has(target)),
        ),
    );
}
