import type { SymlinkEntry, TreePath } from "../tree/index.ts";
import type { DebianPackage } from "./open-package.ts";

/** The directories at the top that are links into `/usr` on every Debian since bookworm (file-hierarchy(7)). */
const aliased = ["bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"];

/** Former places of what is below `/run` now (Policy 9.1.4); `base-files` makes these links. */
const moved = [
  ["/var/run", "/run"],
  ["/var/lock", "/run/lock"],
] as const;

/**
 * The links that a set of packages needs, whether a package of the set ships them or not: one for each aliased
 * directory that any package uses, under either name.
 */
export function aliasLinks(packages: readonly DebianPackage[]): [TreePath, SymlinkEntry][] {
  const isUsed = (path: TreePath): boolean => packages.some(({ tree }) => tree.has(path));
  const merged = aliased
    .filter((name) => isUsed(`/${name}`) || isUsed(`/usr/${name}`))
    .map((name) => linkTo(`/${name}`, `usr/${name}`, "merged /usr"));
  const state = moved
    .filter(([path]) => isUsed(path))
    .map(([path, target]) => linkTo(path, target, "state below /run"));
  return [...merged, ...state];
}

function linkTo(path: TreePath, target: string, what: string): [TreePath, SymlinkEntry] {
  const origin = { kind: "generated", what } as const;
  return [path, { type: "symlink", target, mode: 0o777, uid: 0, gid: 0, mtime: 0, origin }];
}
