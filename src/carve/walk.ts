import { parentOf, type Tree, type TreePath } from "../tree/index.ts";
import type { Evidence, EvidenceContext, How, Need, Reason } from "./need.ts";

/** A need that nothing in the tree answers; `from` is `undefined` where the person named the path. */
export interface MissingNeed {
  readonly from: TreePath | undefined;
  readonly path: TreePath;
  readonly how: How;
}

/** What a walk came to. */
export interface Walked {
  readonly kept: ReadonlySet<TreePath>;
  readonly reasons: readonly Reason[];
  readonly missing: readonly MissingNeed[];
}

// One object each: whoever compares or writes reasons sees at once that they are the same.
const parentHow: How = { kind: "parent" };
const linkHow: How = { kind: "link" };

// Collectors wait for disk more than for the processor.
const side = 16;

/** Directories that the container's runtime mounts over: nothing of an image is ever seen there. */
const mounted = /^\/(?:dev|proc|sys)(?:\/|$)/;

/**
 * Keeps what the starts reach. Breadth first: the frontier of one distance is asked side by side and merged in
 * its own order, so neither the result nor its order depends on which collector answers first.
 */
export async function walk(
  starts: Iterable<Need>,
  evidence: readonly Evidence[],
  context: EvidenceContext,
): Promise<Walked> {
  const growth = new Growth(context.tree);
  for (const need of starts) growth.need(undefined, need);
  for (let frontier = growth.frontier(); frontier.length > 0; frontier = growth.frontier()) {
    const answers = await askAll(frontier, evidence, context);
    for (const [index, path] of frontier.entries()) {
      for (const need of answers[index] ?? []) growth.need(path, need);
    }
  }
  return growth;
}

/** The kept set while it grows. */
class Growth implements Walked {
  readonly kept = new Set<TreePath>();
  readonly reasons: Reason[] = [];
  readonly missing: MissingNeed[] = [];
  readonly #tree: Tree;
  #frontier: TreePath[] = [];

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** Hands over the paths that were kept since the last call. */
  frontier(): TreePath[] {
    const result = this.#frontier;
    this.#frontier = [];
    return result;
  }

  /** Takes a need in: what it leads to is kept, with the links that were followed to get there. */
  need(from: TreePath | undefined, need: Need): void {
    const found = this.#tree.resolve(need.path);
    if (found.entry !== undefined) {
      if (found.path !== from) this.#keep(from, found.path, need.how);
      for (const link of found.links) this.#keep(found.path, link, linkHow);
      return;
    }
    const later = mounted.test(found.path);
    if (later || from === undefined) this.#keepLinks(from, need, found.links);
    if (need.missing === "report" && !later) this.missing.push({ from, path: need.path, how: need.how });
  }

  /** Links to something that only a running container has, or that the person wants although they dangle. */
  #keepLinks(from: TreePath | undefined, need: Need, links: readonly TreePath[]): void {
    for (const [index, link] of links.entries()) {
      if (index === 0) this.#keep(from, link, need.how);
      else this.#keep(links[index - 1], link, linkHow);
    }
  }

  #keep(from: TreePath | undefined, path: TreePath, how: How): void {
    if (path === "/") return;
    this.reasons.push({ from, to: path, how });
    if (this.kept.has(path)) return;
    this.kept.add(path);
    this.#frontier.push(path);
    this.#keep(path, parentOf(path), parentHow);
  }
}

/** Asks every collector about every path of a frontier, a bounded number of paths at a time. */
async function askAll(
  frontier: readonly TreePath[],
  evidence: readonly Evidence[],
  context: EvidenceContext,
): Promise<Need[][]> {
  const answers: Need[][] = frontier.map(() => []);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < frontier.length) {
      context.signal.throwIfAborted();
      const index = next++;
      answers[index] = await ask(frontier[index] ?? "/", evidence, context);
    }
  };
  await Promise.all(Array.from({ length: Math.min(side, frontier.length) }, worker));
  return answers;
}

async function ask(path: TreePath, evidence: readonly Evidence[], context: EvidenceContext): Promise<Need[]> {
  const needs: Need[] = [];
  for (const collector of evidence) {
    for await (const need of collector.needs(path, context)) needs.push(need);
  }
  return needs;
}
