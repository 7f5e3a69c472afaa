import type { Dependency, Package, Version } from "./resolve-universe.ts";

/**
 * Orders packages so that what one depends on comes before it, where there is no cycle; otherwise by name. The answer
 * depends on the set alone.
 *
 * @param selected - the chosen version of each package
 */
export function dependencyOrder(selected: ReadonlyMap<Package, Version>): Version[] {
  const names = [...selected.keys()].sort(byName);
  const needs = new Map(names.map((pkg) => [pkg, neededBy(selected, pkg)]));
  return components(names, needs)
    .flatMap((component) => withinCycle(component, selected))
    .flatMap((pkg) => selected.get(pkg) ?? []);
}

function byName(a: Package, b: Package): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function neededBy(
  selected: ReadonlyMap<Package, Version>,
  pkg: Package,
  isCounted = (dependency: Dependency) => dependency.type === "Depends" || dependency.type === "Pre-Depends",
): Package[] {
  const needed = new Set<Package>();
  for (const dependency of selected.get(pkg)?.dependencies ?? []) {
    if (!isCounted(dependency)) continue;
    for (const { target } of dependency.alternatives) {
      if (selected.has(target)) needed.add(target);
      for (const { version } of target.providers) {
        if (selected.get(version.package) === version) needed.add(version.package);
      }
    }
  }
  needed.delete(pkg);
  return [...needed].sort(byName);
}

/** In a cycle, only Pre-Depends decide; they have no cycles among themselves in an archive that can be installed. */
function withinCycle(component: readonly Package[], selected: ReadonlyMap<Package, Version>): Package[] {
  if (component.length === 1) return [...component];
  const members = new Map(component.flatMap((pkg) => [[pkg, selected.get(pkg)] as const]));
  const chosen = new Map(
    [...members].flatMap(([pkg, version]) => (version ? [[pkg, version] as const] : [])),
  );
  const names = [...component].sort(byName);
  const needs = new Map(
    names.map((pkg) => [pkg, neededBy(chosen, pkg, ({ type }) => type === "Pre-Depends")]),
  );
  return components(names, needs).flatMap((part) => [...part].sort(byName));
}

/** Strongly connected components, dependencies first (Tarjan's algorithm, without recursion). */
function components(nodes: readonly Package[], needs: ReadonlyMap<Package, readonly Package[]>): Package[][] {
  const found: Package[][] = [];
  const index = new Map<Package, number>();
  const low = new Map<Package, number>();
  const stack: Package[] = [];
  const onStack = new Set<Package>();
  const lower = (node: Package, value: number) => low.set(node, Math.min(low.get(node) ?? value, value));

  const enter = (node: Package) => {
    index.set(node, index.size);
    low.set(node, index.size - 1);
    stack.push(node);
    onStack.add(node);
    return { node, pending: [...(needs.get(node) ?? [])].reverse() };
  };

  const leave = (node: Package) => {
    if (low.get(node) !== index.get(node)) return;
    const component = stack.splice(stack.lastIndexOf(node));
    for (const member of component) onStack.delete(member);
    found.push(component);
  };

  for (const start of nodes) {
    if (index.has(start)) continue;
    const path = [enter(start)];
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const next = top.pending.pop();
      if (next === undefined) {
        path.pop();
        leave(top.node);
        const parent = path.at(-1);
        if (parent !== undefined) lower(parent.node, low.get(top.node) ?? 0);
      } else if (!index.has(next)) {
        path.push(enter(next));
      } else if (onStack.has(next)) {
        lower(top.node, index.get(next) ?? 0);
      }
    }
  }
  return found;
}
