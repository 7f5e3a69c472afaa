import type { SymlinkEntry, TreePath } from "../tree/index.ts";
import type { DebianPackage } from "./open-package.ts";

/** The directories at the top that are links into `/usr` on every Debian since bookworm (file-hierarchy(7)). */
const aliased = ["bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"];

/**
 * The links that a set of packages needs, whether a package of the set ships them or not: one for each aliased
 * directory that any package uses, under either name.
 */
export function aliasLinks(packages: readonly DebianPackage[]): [TreePath, SymlinkEntry][] {
  const used = aliased.filter((name) =>
    packages.some(({ tree }) => tree.has(`/${name}`) || tree.has(`/usr/${name}`)),
  );
  return used.map((name) => [
    `/${name}`,
    {
      type: "symlink",
      target: `usr/${name}`,
      mode: 0o777,
      uid: 0,
      gid: 0,
      mtime: 0,
      origin: { kind: "generated", what: "merged /usr" },
    },
  ]);
}
