import { hasWildcards, patternExpression } from "../../build/index.ts";
import type { Tree, TreeNode } from "../../tree/index.ts";
import { followPath, recordPath } from "./follow.ts";
import { namesOf } from "./names.ts";
import { type Matched, PatternRules } from "./patterns.ts";

/** What is chosen of a tree beneath one path. */
export interface Choice {
  /** The path is a pattern, as Go's `path.Match` has them. */
  readonly wildcard?: boolean;
  /** A link at the end of the path stands for what it leads to. */
  readonly followLinks?: boolean;
  /** Only what these match below the path counts. */
  readonly includePatterns?: readonly string[];
  /** What these match below the path does not count. */
  readonly excludePatterns?: readonly string[];
}

/** What is chosen of a tree, and the part of its paths that has no patterns. */
export interface Inclusion {
  /** A link at its end was followed. */
  readonly start: string;
  readonly included: readonly Included[];
}

/** Something that is chosen; of a directory this is the directory without what is in it. */
export interface Included {
  /** As the choice names it. */
  readonly path: string;
  readonly node: TreeNode;
  /** No directory that could be chosen holds it: only there a link stands for what it leads to. */
  readonly isOutermost: boolean;
}

/** A directory above what is looked at. */
interface Above {
  readonly included: Included;
  readonly include: Matched | undefined;
  readonly exclude: Matched | undefined;
}

/**
 * What is chosen by a pattern or by patterns, in BuildKit's order (moby/buildkit, cache/contenthash/checksum.go,
 * `includedPaths`). A directory that is not meant itself comes along with the first of what is meant in it.
 */
export function includedOf(tree: Tree, path: string, choice: Choice): Inclusion {
  return new Chooser(tree, path, choice).all();
}

class Chooser {
  readonly #tree: Tree;
  readonly #path: string;
  readonly #isTop: boolean;
  readonly #wanted: RegExp | undefined;
  readonly #include: PatternRules | undefined;
  readonly #exclude: PatternRules | undefined;
  readonly #found = new Set<Included>();

  constructor(tree: Tree, path: string, { wildcard, includePatterns, excludePatterns }: Choice) {
    this.#tree = tree;
    this.#path = recordPath(path);
    this.#isTop = path.endsWith("/");
    this.#wanted = wildcard === true ? expressionOf(this.#path) : undefined;
    this.#include = rulesOf(includePatterns);
    this.#exclude = rulesOf(excludePatterns);
  }

  all(): Inclusion {
    const { start, last } =
      this.#wanted === undefined ? { start: this.#path, last: "keep" as const } : fixedPart(this.#path);
    const found = followPath(this.#tree, start, last);
    if (found !== undefined)
      this.#visit(start, found.node, [], this.#wanted === undefined ? this.#path : undefined);
    return { start, included: [...this.#found] };
  }

  /**
   * @param base - what the patterns are relative to, as soon as that is known: the path, or what its wildcards match
   */
  #visit(path: string, node: TreeNode, above: readonly Above[], base: string | undefined): void {
    let from = base;
    if (from === undefined && (this.#path === "" || this.#wanted?.test(path) === true)) from = path;
    let inside = above;
    if (from !== undefined && !(this.#isTop && path === this.#path && node.children !== undefined)) {
      const included = { path, node, isOutermost: above.length === 0 };
      const { meant, ...matched } = this.#ask(relativePath(path, from), above.at(-1));
      if (meant) for (const each of [...above.map((one) => one.included), included]) this.#found.add(each);
      if (node.children !== undefined) inside = [...above, { included, ...matched }];
    }
    for (const name of namesOf(node.children ?? new Map())) {
      const child = node.children?.get(name);
      if (child !== undefined) this.#visit(`${path}/${name}`, child, inside, from);
    }
  }

  #ask(path: string, above: Above | undefined): { meant: boolean } & Omit<Above, "included"> {
    const include = this.#include?.matches(path, above?.include);
    // What is not meant anyway is not asked about further.
    if (include?.meant === false) return { meant: false, include: include.matched, exclude: undefined };
    const exclude = this.#exclude?.matches(path, above?.exclude);
    return { meant: exclude?.meant !== true, include: include?.matched, exclude: exclude?.matched };
  }
}

function rulesOf(patterns: readonly string[] | undefined): PatternRules | undefined {
  return patterns === undefined || patterns.length === 0 ? undefined : new PatternRules(patterns);
}

/** A pattern that is none matches nothing: BuildKit's own build fails there. */
function expressionOf(pattern: string): RegExp | undefined {
  return patternExpression(pattern) ?? /$^/;
}

function relativePath(path: string, base: string): string {
  return path === base ? "" : path.slice(base.length + 1);
}

/** What stands before the first part with wildcards; a link at its end is followed when something comes behind. */
function fixedPart(path: string): { readonly start: string; readonly last: "follow" | "keep" } {
  const parts = path.split("/");
  const first = parts.findIndex(hasWildcards);
  return first < 0
    ? { start: path, last: "keep" }
    : { start: parts.slice(0, first).join("/"), last: "follow" };
}
