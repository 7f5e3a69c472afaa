import type { Entry, Tree, TreePath } from "../tree/index.ts";
import type { DebianPackage } from "./open-package.ts";

const directory = "/var/lib/dpkg/status.d";

/**
 * The entries by which scanners recognise the packages of an image without a package manager, in the form that
 * distroless images have them: `status.d/NAME` is the package's control paragraph, `status.d/NAME.md5sums` the
 * sums of its files.
 *
 * @param kept - of which packages; those with a file in the image
 * @param tree - where it is given, sums of files that are not in it are left out
 * @returns path and bytes, in the order of the packages
 */
export async function statusEntries(
  kept: readonly DebianPackage[],
  tree?: Tree,
): Promise<[TreePath, Uint8Array][]> {
  const entries: [TreePath, Uint8Array][] = [];
  const paths = statusPaths(kept);
  for (const [index, one] of kept.entries()) {
    const path = paths[index] ?? "";
    const sums = (await one.md5sums())
      .split("\n")
      .filter((line) => line !== "" && (tree === undefined || isKept(line, tree)))
      .map((line) => `${line}\n`)
      .join("");
    entries.push([path, Buffer.from(`${one.controlText.trimEnd()}\n`, "utf8")]);
    entries.push([`${path}.md5sums`, Buffer.from(sums, "utf8")]);
  }
  return entries;
}

/** Where the control paragraphs of packages go, in their order; the sums go beside, with `.md5sums` behind. */
export function statusPaths(packages: readonly Pick<DebianPackage, "name" | "architecture">[]): TreePath[] {
  const names = new Set<string>();
  return packages.map((one) => {
    // Several architectures of one package may be there together.
    const name = names.has(one.name) ? `${one.name}:${one.architecture}` : one.name;
    names.add(name);
    return `${directory}/${name}`;
  });
}

function isKept(line: string, tree: Tree): boolean {
  const path = /^[0-9a-f]{32} {2}(.+)$/.exec(line)?.[1];
  return path !== undefined && tree.resolve(`/${path}`, { last: "keep" }).entry !== undefined;
}

/**
 * The copyright file of a package and the links that lead to it; nothing when the package has none.
 *
 * @param tree - the whole root: some packages link to the documentation of another one
 */
export function copyrightOf(
  one: DebianPackage,
  tree: Tree,
): { readonly path: TreePath; readonly entry: Entry; readonly links: readonly TreePath[] } | undefined {
  const { path, entry, links } = tree.resolve(`/usr/share/doc/${one.name}/copyright`);
  return entry === undefined ? undefined : { path, entry, links };
}

/** The packages that still have something in a tree: a file or link that is theirs. Directories do not count. */
export function packagesIn(tree: Tree, packages: readonly DebianPackage[]): DebianPackage[] {
  const found = new Set<string>();
  for (const [, entry] of tree.entries()) {
    if (entry.type !== "directory" && entry.origin?.kind === "package") {
      found.add(`${entry.origin.name}:${entry.origin.architecture}`);
    }
  }
  return packages.filter((one) => found.has(`${one.name}:${one.architecture}`));
}
