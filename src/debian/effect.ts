import { bytesContent, type Content, readText, sha256 } from "../io/index.ts";
import {
  childOf,
  type Entry,
  nameOf,
  type Origin,
  parentOf,
  type Tree,
  type TreePath,
  treeOf,
} from "../tree/index.ts";
import { Accounts } from "./accounts.ts";
import type { DebianPackage } from "./open-package.ts";

/** One thing that maintainer scripts do and that an image may need. */
export interface Effect {
  /** For tests and documentation. */
  readonly name: string;
  readonly apply: (root: EffectRoot) => Promise<void> | void;
}

/** When `from` is kept, `path` is needed: a dependency that only a package's metadata shows. */
export interface EffectNeed {
  readonly from: TreePath;
  readonly path: TreePath;
  readonly package: string;
  /** For a person: "directory for its state". */
  readonly what: string;
}

/** A root whose packages are unpacked and not configured; effects read it and add to it. */
export class EffectRoot {
  readonly packages: readonly DebianPackage[];
  readonly needs: EffectNeed[] = [];
  accounts: Accounts = new Accounts();
  #tree: Tree;
  readonly #added = new Map<TreePath, Entry>();

  constructor(tree: Tree, packages: readonly DebianPackage[]) {
    this.#tree = tree;
    this.packages = packages;
  }

  /** The root with all that has been added so far. */
  get tree(): Tree {
    if (this.#added.size > 0) {
      this.#tree = this.#tree.place(treeOf(this.#withDirectories()), "/");
      this.#added.clear();
    }
    return this.#tree;
  }

  package(name: string): DebianPackage | undefined {
    return this.packages.find((one) => one.name === name);
  }

  /** Where a path really is: links in its directories are followed, one at its end is not. */
  place(path: TreePath): TreePath {
    const above = this.#tree.resolve(parentOf(path)).path;
    return childOf(above, nameOf(path));
  }

  get(path: TreePath): Entry | undefined {
    const place = this.place(path);
    return this.#added.get(place) ?? this.#tree.get(place);
  }

  /** Puts an entry where `path` really is, whatever is there. */
  put(path: TreePath, entry: Entry): void {
    this.#added.set(this.place(path), entry);
  }

  /** Puts an entry where nothing is yet. */
  offer(path: TreePath, entry: Entry): void {
    if (this.get(path) === undefined) this.put(path, entry);
  }

  directory(path: TreePath, origin: Origin, mode = 0o755, owner: readonly [number, number] = [0, 0]): void {
    const [uid, gid] = owner;
    this.offer(path, { type: "directory", mode, uid, gid, mtime: 0, origin });
  }

  link(path: TreePath, target: string, origin: Origin): void {
    this.offer(path, { type: "symlink", target, mode: 0o777, uid: 0, gid: 0, mtime: 0, origin });
  }

  /** A copy with its attributes, as `cp -p` makes it; nothing when the source is not there. */
  copy(from: TreePath, to: TreePath, origin: Origin): void {
    const entry = this.#tree.resolve(from).entry;
    if (entry?.type !== "file") return;
    const { inode: _, ...copy } = entry;
    this.offer(to, { ...copy, origin });
  }

  /** A file of a known text. */
  text(
    path: TreePath,
    text: string,
    origin: Origin,
    mode = 0o644,
    owner: readonly [number, number] = [0, 0],
  ): void {
    this.put(path, {
      type: "file",
      content: textContent(text),
      mode,
      uid: owner[0],
      gid: owner[1],
      mtime: 0,
      origin,
    });
  }

  /** Reads a file of the root as text; empty when it is not there. */
  async read(path: TreePath): Promise<string> {
    const entry = this.tree.resolve(path).entry;
    return entry?.type === "file" ? readText(entry.content) : "";
  }

  /** `place` would describe the directories above anew; those that are there keep what they are. */
  #withDirectories(): [TreePath, Entry][] {
    const entries = new Map<TreePath, Entry>();
    for (const path of this.#added.keys()) {
      for (let above = parentOf(path); above !== "/"; above = parentOf(above)) {
        const there = this.#added.get(above) ?? this.#tree.get(above);
        if (there?.type === "directory") entries.set(above, there);
      }
    }
    entries.set("/", this.#tree.top.entry);
    return [...entries, ...this.#added];
  }
}

/** Content of a text with its digest. */
export function textContent(text: string): Content {
  return bytesContent(text, sha256(text));
}
