import { WhittleError, type Work } from "../io/index.ts";
import {
  childOf,
  type Entry,
  nameOf,
  parentOf,
  partsOf,
  sameEntry,
  type Tree,
  TreeBuilder,
  type TreePath,
} from "../tree/index.ts";
import { type Diversion, diversionsOf } from "./diversions.ts";
import type { DebianPackage } from "./open-package.ts";
import { parseRelations, satisfies } from "./relations.ts";
import { aliasLinks } from "./usrmerge.ts";

/**
 * Lays packages over each other as dpkg does in an empty root: a directory that is there keeps its attributes, a
 * link to a directory that is there is followed, a file of another package is replaced only with its consent
 * (`Replaces`, diversions) or when both are the same. `/bin`, `/sbin` and `/lib*` are links into `/usr`.
 *
 * Two differ from the same set in another order at most in the attributes of shared directories, which
 * `base-files` decides where it is among them.
 *
 * @throws WhittleError `PACKAGE_CONFLICT` when two packages have a file of the same name
 */
export async function unpack(packages: readonly DebianPackage[], work: Work): Promise<Tree> {
  work.signal.throwIfAborted();
  const root = new Root(packages);
  const first = packages.filter(({ name }) => name === "base-files");
  for (const unpacked of [...first, ...packages.filter((one) => !first.includes(one))]) {
    work.signal.throwIfAborted();
    root.add(unpacked);
  }
  return root.builder.tree();
}

// Linux gives up after 40 (path_resolution(7)).
const mostLinks = 40;

class Root {
  readonly builder = new TreeBuilder();
  readonly #owners = new Map<TreePath, DebianPackage>();
  /** Directories as packages name them, to where they really are. */
  readonly #directories = new Map<TreePath, TreePath>([["/", "/"]]);
  readonly #diversions = new Map<TreePath, Diversion>();

  constructor(packages: readonly DebianPackage[]) {
    for (const [path, link] of aliasLinks(packages)) this.builder.set(path, link);
    for (const diversion of diversionsOf(packages)) {
      this.#diversions.set(this.#placeOf(diversion.from), diversion);
    }
  }

  add(unpacked: DebianPackage): void {
    for (const [path, entry] of unpacked.tree.entries()) {
      const place = this.#diverted(this.#placeOf(path), unpacked);
      if (entry.type === "directory") this.#addDirectory(place, entry, unpacked);
      else this.#addOther(place, entry, unpacked);
    }
  }

  #addDirectory(place: TreePath, entry: Entry, unpacked: DebianPackage): void {
    const real = this.#follow(place);
    const old = this.builder.get(real);
    if (old === undefined || this.#owners.get(real) === undefined) {
      if (old !== undefined && old.type !== "directory") throw this.#conflict(real, unpacked);
      this.builder.set(real, entry);
      this.#owners.set(real, unpacked);
    } else if (old.type !== "directory") {
      throw this.#conflict(real, unpacked);
    }
  }

  #addOther(place: TreePath, entry: Entry, unpacked: DebianPackage): void {
    const old = this.builder.get(place);
    if (entry.type === "symlink" && this.#isItself(place, entry.target, old)) return;
    if (old?.type === "directory") {
      // A directory is never replaced by a link (Policy 6.6); by a file it cannot be.
      if (entry.type === "symlink") return;
      throw this.#conflict(place, unpacked);
    }
    const owner = this.#owners.get(place);
    if (old !== undefined && owner !== undefined && owner !== unpacked) {
      if (sameEntry(old, entry) || sameText(old, entry) || replaces(owner, unpacked)) return;
      if (!replaces(unpacked, owner) && !this.#isAlias(old, place)) throw this.#conflict(place, unpacked);
    }
    this.builder.set(place, entry);
    this.#owners.set(place, unpacked);
  }

  /**
   * Whether a link would stand where it points to: `/bin/x → /usr/bin/x` in a merged `/usr`, or a link to the
   * directory that is there already.
   */
  #isItself(place: TreePath, target: string, old: Entry | undefined): boolean {
    const points = this.#resolve(target.startsWith("/") ? target : `${parentOf(place)}/${target}`);
    return points === place && old !== undefined;
  }

  #isAlias(old: Entry, place: TreePath): boolean {
    if (old.type !== "symlink") return false;
    const base = old.target.startsWith("/") ? old.target : `${parentOf(place)}/${old.target}`;
    return childOf(this.#resolve(parentOf(base) || "/"), nameOf(base)) === place;
  }

  #diverted(place: TreePath, unpacked: DebianPackage): TreePath {
    const diversion = this.#diversions.get(place);
    if (diversion === undefined || diversion.package === unpacked.name) return place;
    return this.#placeOf(diversion.to);
  }

  /** Where a path really is: links in its directories are followed, one at its end is not. */
  #placeOf(path: TreePath): TreePath {
    if (path === "/") return "/";
    const parent = parentOf(path);
    let directory = this.#directories.get(parent);
    if (directory === undefined) {
      directory = this.#follow(this.#placeOf(parent));
      this.#directories.set(parent, directory);
    }
    return childOf(directory, nameOf(path));
  }

  /** Follows a link at the end of a path whose directories are real. */
  #follow(place: TreePath): TreePath {
    return this.builder.get(place)?.type === "symlink" ? this.#resolve(place) : place;
  }

  /** Follows every link in a path; `..` at the top stays there. */
  #resolve(path: string): TreePath {
    const pending = path.split("/").reverse();
    let at: string[] = [];
    let links = 0;
    while (pending.length > 0) {
      const part = pending.pop() ?? "";
      if (part === "" || part === ".") continue;
      if (part === "..") {
        at.pop();
        continue;
      }
      const here = `/${[...at, part].join("/")}`;
      const entry = this.builder.get(here);
      if (entry?.type === "symlink" && links < mostLinks) {
        links += 1;
        if (entry.target.startsWith("/")) at = [];
        pending.push(...entry.target.split("/").reverse());
      } else {
        at = partsOf(here);
      }
    }
    return `/${at.join("/")}`;
  }

  #conflict(place: TreePath, unpacked: DebianPackage): WhittleError {
    const other = this.#owners.get(place);
    return new WhittleError(
      "PACKAGE_CONFLICT",
      `Cannot unpack ${unpacked.name} ${unpacked.version}: its ${place} is already there from ${other?.name ?? "another package"} ${other?.version ?? ""}`,
    );
  }
}

/** Files of packages for several architectures may differ in their times only. */
function sameText(a: Entry, b: Entry): boolean {
  if (a.type !== "file" || b.type !== "file") return false;
  return a.content.digest !== undefined && a.content.digest === b.content.digest && a.mode === b.mode;
}

/** Whether a package's files may replace those of another one (Policy 7.6). */
function replaces(upper: DebianPackage, lower: DebianPackage): boolean {
  const field = upper.control.get("replaces");
  if (field === undefined) return false;
  return parseRelations(field)
    .flat()
    .some((relation) => relation.name === lower.name && satisfies(relation, lower.version));
}
