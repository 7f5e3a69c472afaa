import { canonicalJson } from "../io/index.ts";
import { compareNames, type Origin, type TreePath } from "../tree/index.ts";
import type { Dropped } from "./dropped.ts";
import type { How, Reason } from "./need.ts";
import { decodeReasons, encodeReasons, type ReasonsForm } from "./reasons-form.ts";

/**
 * Why a carved tree holds what it holds, and what it does not hold any more. Every kept path has a chain of
 * reasons that starts with something the person named.
 */
export class Reasons {
  readonly #reasons: readonly Reason[];
  readonly #origins: ReadonlyMap<TreePath, Origin>;
  readonly #dropped: ReadonlyMap<TreePath, Dropped>;
  #to: ReadonlyMap<TreePath, readonly Reason[]> | undefined;
  #nearest: ReadonlyMap<TreePath, Reason> | undefined;

  /**
   * @param origins - where the kept paths came from
   * @param dropped - what was there and is not kept
   */
  constructor(
    reasons: Iterable<Reason>,
    origins: ReadonlyMap<TreePath, Origin> = new Map(),
    dropped: ReadonlyMap<TreePath, Dropped> = new Map(),
  ) {
    this.#reasons = distinct(reasons);
    this.#origins = origins;
    this.#dropped = dropped;
  }

  /** The kept paths, in byte order. */
  paths(): TreePath[] {
    return [...this.#byTarget().keys()];
  }

  /** Every direct reason for a path; none when it was not kept. */
  direct(path: TreePath): readonly Reason[] {
    return this.#byTarget().get(path) ?? [];
  }

  /** A shortest chain of reasons that ends at a path, the person's word first; empty when it was not kept. */
  chain(path: TreePath): Reason[] {
    const nearest = this.#nearestReasons();
    const chain: Reason[] = [];
    let at: TreePath | undefined = path;
    while (at !== undefined) {
      const reason = nearest.get(at);
      if (reason === undefined) return [];
      chain.push(reason);
      at = reason.from;
    }
    return chain.reverse();
  }

  /** Where a kept path came from. */
  origin(path: TreePath): Origin | undefined {
    return this.#origins.get(path);
  }

  /** What a dropped path was; `undefined` when it is kept or never was there. */
  dropped(path: TreePath): Dropped | undefined {
    return this.#dropped.get(path);
  }

  /** The dropped paths with what they were, in no particular order. */
  droppedPaths(): ReadonlyMap<TreePath, Dropped> {
    return this.#dropped;
  }

  /** All edges, by target, then by source. */
  all(): readonly Reason[] {
    return this.#reasons;
  }

  /** A compact JSON value; equal reasons give equal values. */
  toJSON(): ReasonsForm {
    return encodeReasons(this.#reasons, this.#origins, this.#dropped);
  }

  /**
   * Reads what {@link toJSON} made.
   *
   * @throws WhittleError `IMAGE_INVALID`
   */
  static fromJSON(value: unknown): Reasons {
    const { reasons, origins, dropped } = decodeReasons(value);
    return new Reasons(reasons, origins, dropped);
  }

  #byTarget(): ReadonlyMap<TreePath, readonly Reason[]> {
    if (this.#to !== undefined) return this.#to;
    const map = new Map<TreePath, Reason[]>();
    for (const reason of this.#reasons) {
      const list = map.get(reason.to);
      if (list === undefined) map.set(reason.to, [reason]);
      else list.push(reason);
    }
    this.#to = map;
    return map;
  }

  /** For each path the last reason of its shortest chain, found breadth first from what was named. */
  #nearestReasons(): ReadonlyMap<TreePath, Reason> {
    if (this.#nearest !== undefined) return this.#nearest;
    const from = new Map<TreePath | undefined, Reason[]>();
    for (const reason of this.#reasons) {
      const list = from.get(reason.from);
      if (list === undefined) from.set(reason.from, [reason]);
      else list.push(reason);
    }
    from.set(undefined, (from.get(undefined) ?? []).sort(compareStarts));
    const nearest = new Map<TreePath, Reason>();
    const queue: (TreePath | undefined)[] = [undefined];
    for (const at of queue) {
      for (const reason of from.get(at) ?? []) {
        if (nearest.has(reason.to)) continue;
        nearest.set(reason.to, reason);
        queue.push(reason.to);
      }
    }
    this.#nearest = nearest;
    return nearest;
  }
}

/** Each reason once, in an order that depends on nothing but the reasons. */
function distinct(reasons: Iterable<Reason>): Reason[] {
  const keyed = new Map<string, { reason: Reason; how: string }>();
  const known = new Map<How, string>();
  for (const reason of reasons) {
    // Most reasons share the very same object for their "how".
    const how = known.get(reason.how) ?? canonicalJson(reason.how);
    known.set(reason.how, how);
    keyed.set(`${reason.from ?? ""}\0${reason.to}\0${how}`, { reason, how });
  }
  return [...keyed.values()]
    .sort(
      (a, b) =>
        compareNames(a.reason.to, b.reason.to) ||
        weight(a.reason) - weight(b.reason) ||
        compareNames(a.reason.from ?? "", b.reason.from ?? "") ||
        (a.how < b.how ? -1 : 1),
    )
    .map(({ reason }) => reason);
}

/** Starts by what the person said of them: the entrypoint comes before the health check, whatever the paths. */
function compareStarts(a: Reason, b: Reason): number {
  const [x, y] = [canonicalJson(a.how), canonicalJson(b.how)];
  return weight(a) - weight(b) || (x === y ? 0 : x < y ? -1 : 1);
}

/** Of chains of equal length the one that says more comes first: a program before a name, a name before a path. */
function weight({ how }: Reason): number {
  if (how.kind === "named") return how.by === "root" ? 0 : 1;
  return how.kind === "parent" ? 4 : how.kind === "link" ? 3 : 2;
}
