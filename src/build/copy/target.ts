import { WhittleError } from "../../io/index.ts";
import {
  type Attributes,
  attributes,
  type DirectoryEntry,
  type Entry,
  type Inode,
  nameOf,
  newInode,
  parentOf,
  partsOf,
  sameEntry,
  type Tree,
  TreeBuilder,
  type TreePath,
} from "../../tree/index.ts";

/** Who owns what is copied; without one the source's owner stays. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** How entries change on their way. */
export interface CopyRules {
  readonly owner?: Owner;
  readonly mode?: (mode: number, directory: boolean) => number;
  /** Mode of directories that are made on the way; 0755 where none is given. */
  readonly madeMode?: number;
  /** Seconds since the epoch, for directories that are made on the way. */
  readonly now: number;
  readonly origin?: NonNullable<Attributes["origin"]>;
  /** Whether a path, relative to what is copied, is left out. */
  readonly excluded?: (path: string, directory: boolean) => boolean;
  /** Whether a path, relative to what is copied, is wanted; with it parents are made as in the source. */
  readonly included?: (path: string) => boolean;
}

/** The tree that is copied into, while it grows. */
export class CopyTarget {
  readonly builder: TreeBuilder;
  readonly #rules: CopyRules;
  /** The inodes of the source that is copied at present; links between two sources are not kept. */
  readonly #inodes = new Map<Inode, Inode>();

  constructor(lower: Tree, rules: CopyRules) {
    this.builder = new TreeBuilder(undefined, lower);
    this.#rules = rules;
  }

  /**
   * Follows a path as whoever is about to write there, and makes every missing directory of it.
   *
   * @param mode - of what is made, instead of what the rules say
   * @throws WhittleError `STEP_FAILED` when something on the way is no directory
   */
  makeDirectories(path: TreePath, mode?: number): TreePath {
    const real = this.builder.resolve(path, { missing: "enter" }).path;
    let at = "";
    for (const part of partsOf(real)) {
      at += `/${part}`;
      const entry = this.builder.get(at);
      if (entry === undefined) this.builder.set(at, this.#directory(mode));
      else if (entry.type !== "directory") {
        throw new WhittleError("STEP_FAILED", `Cannot copy to ${path}: ${at} is not a directory`);
      }
    }
    return real;
  }

  /** Whom everything is given to. */
  get owner(): Owner | undefined {
    return this.#rules.owner;
  }

  /** The same tree, copied into by other rules from now on. */
  with(rules: CopyRules): CopyTarget {
    return new CopyTarget(this.builder.tree(), rules);
  }

  /** Where a path leads, with every link of it followed. */
  follow(path: TreePath): TreePath {
    return this.builder.resolve(path, { missing: "enter" }).path;
  }

  /** Puts a source at a destination; see COPY in the Dockerfile reference for what a trailing slash means. */
  copy(tree: Tree, real: TreePath, name: string, destination: string): void {
    const entry = real === "/" ? tree.top.entry : tree.get(real);
    if (entry === undefined) throw new Error(`Internal error: ${real} vanished from a tree`);
    this.#inodes.clear();
    const slash = destination.lastIndexOf("/");
    const last = destination.slice(slash + 1);
    this.makeDirectories(last === "" || last === "." ? destination : destination.slice(0, slash) || "/");
    let target = this.follow(destination);
    const there = target === "/" ? this.builder.tree().top.entry : this.builder.get(target);
    if (entry.type !== "directory") {
      if (there?.type === "directory") target = target === "/" ? `/${name}` : `${target}/${name}`;
      this.#put(target, entry);
      return;
    }
    // The directory that the contents go into is made like those above it, not like the source.
    this.makeDirectories(target);
    this.#copyDirectory(tree, real, target, "", false);
  }

  #copyDirectory(tree: Tree, from: TreePath, to: TreePath, relative: string, overwrite: boolean): void {
    const source = from === "/" ? tree.top.entry : tree.get(from);
    const there = to === "/" ? this.builder.tree().top.entry : this.builder.get(to);
    if (there !== undefined && there.type !== "directory") {
      throw new WhittleError("STEP_FAILED", `Cannot copy the directory ${from} to ${to}: a file is there`);
    }
    const wanted = relative !== "" && this.#rules.included === undefined;
    if (wanted && source !== undefined && to !== "/" && (there === undefined || overwrite)) {
      const changed = this.#changed(source);
      // The time of a directory alone is no change.
      if (there === undefined || !sameButTime(there, changed)) this.builder.set(to, changed);
    }
    for (const child of tree.children(from)) {
      const path = from === "/" ? `/${child}` : `${from}/${child}`;
      const entry = tree.get(path);
      if (entry === undefined) continue;
      const below = relative === "" ? child : `${relative}/${child}`;
      const directory = entry.type === "directory";
      if (this.#rules.excluded?.(below, directory) === true) continue;
      const target = to === "/" ? `/${child}` : `${to}/${child}`;
      if (directory) {
        if (this.#rules.included?.(below) === true) this.#parentsOf(tree, path, target, below);
        this.#copyDirectory(tree, path, target, below, true);
      } else if (this.#rules.included === undefined) this.#put(target, entry);
      else if (this.#rules.included(below)) {
        this.#parentsOf(tree, path, target, below);
        this.#put(target, entry);
      }
    }
  }

  /** With `--parents`, the directories above a wanted file are made as they are in the source. */
  #parentsOf(tree: Tree, from: TreePath, to: TreePath, relative: string): void {
    const pairs: [TreePath, TreePath][] = [];
    let source = from;
    let target = to;
    for (let left = relative.split("/").length; left > 0; left--) {
      if (tree.get(source)?.type === "directory") pairs.unshift([source, target]);
      source = parentOf(source);
      target = parentOf(target);
    }
    for (const [path, place] of pairs) {
      const entry = tree.get(path);
      if (entry !== undefined && this.builder.get(place) === undefined)
        this.builder.set(place, this.#changed(entry));
    }
  }

  #put(target: TreePath, entry: Entry): void {
    if (this.builder.get(target)?.type === "directory") {
      throw new WhittleError(
        "STEP_FAILED",
        `Cannot copy the file ${nameOf(target)} to ${target}: a directory is there`,
      );
    }
    this.makeDirectories(parentOf(target));
    this.builder.set(target, this.#changed(entry));
  }

  #changed(entry: Entry): Entry {
    const { owner, mode, origin } = this.#rules;
    return {
      ...entry,
      ...(entry.type === "file" && entry.inode !== undefined ? { inode: this.#inode(entry.inode) } : {}),
      ...(owner ?? {}),
      ...(mode === undefined || entry.type === "symlink"
        ? {}
        : { mode: mode(entry.mode, entry.type === "directory") }),
      ...(origin === undefined ? {} : { origin }),
    };
  }

  /** Links stay links among themselves and are none of what they were copied from. */
  #inode(inode: Inode): Inode {
    const copy = this.#inodes.get(inode) ?? newInode();
    this.#inodes.set(inode, copy);
    return copy;
  }

  #directory(mode: number | undefined): DirectoryEntry {
    const { owner, origin, now, madeMode } = this.#rules;
    return {
      type: "directory",
      ...attributes(mode ?? madeMode ?? 0o755, {
        ...(owner ?? {}),
        mtime: now,
        ...(origin === undefined ? {} : { origin }),
      }),
    };
  }
}

/** Whether two entries are alike in everything but their origin and time. */
export function sameButTime(a: Entry, b: Entry): boolean {
  return sameEntry(a, { ...b, mtime: a.mtime });
}
