import { foundLayer, type Outcome, type Solved, type Solver, type Step } from "../build/index.ts";
import type { CacheLink, CacheRecord } from "../buildkit/index.ts";
import type { Digest } from "../io/index.ts";

/** What a build's steps came to, as far as it is worth keeping. */
export interface KeptSteps {
  /** By key. */
  readonly outcomes: ReadonlyMap<Digest, Outcome>;
  /** Blobs that outcomes speak of, as they are. */
  readonly blobs: ReadonlySet<Digest>;
  /** Unpacked layers that are there in no packed form. */
  readonly unpacked: ReadonlySet<Digest>;
  /** Layers by their unpacked form. */
  readonly layers: ReadonlyMap<Digest, KeptLayer>;
}

/** A layer of an image: its packed form, by an unpacked one that a command left. */
export interface KeptLayer {
  readonly packed: Digest;
  readonly mediaType: string;
}

/** All steps that were solved, inputs first. */
export async function solvedSteps(
  solvers: readonly Solver[],
  only?: ReadonlySet<Step>,
): Promise<ReadonlyMap<Step, Solved>> {
  const solved = new Map<Step, Solved>();
  for (const solver of solvers) {
    for await (const one of solver.solved()) if (only?.has(one.step) !== false) solved.set(one.step, one);
  }
  return solved;
}

/** Records as they stand behind a number of others. */
export function shifted(records: readonly CacheRecord[], by: number): readonly CacheRecord[] {
  const moved = (links: readonly CacheLink[]): CacheLink[] =>
    links.map(({ selector, link }) => ({ selector, link: link + by }));
  return records.map((record) => ({ ...record, inputs: record.inputs.map(moved) }));
}

// What these come to is made of the others' records in no time, and names blobs that nothing else would carry.
const notWorthIt: ReadonlySet<string> = new Set(["assemble", "image", "index", "reasons"]);

/**
 * What the steps of a solved build came to.
 *
 * @param solvers - what it was solved with
 * @param mode - `min`: the layers of the image; `max`: whatever any step came to. Both know of every step.
 * @param only - leaves other steps out
 */
export async function keptSteps(
  solvers: readonly Solver[],
  mode: "min" | "max",
  only?: ReadonlySet<Step>,
): Promise<KeptSteps> {
  const outcomes = new Map<Digest, Outcome>();
  const layers = new Map<Digest, KeptLayer>();
  const blobs = new Set<Digest>();
  const lazy = new Set<Digest>();
  for (const solver of solvers) {
    for await (const { executor, step, key, digest, record, blobs: named = [], bring } of solver.solved()) {
      if (!executor.cached || notWorthIt.has(executor.kind) || only?.has(step) === false) continue;
      // What was believed and not needed is still in the cache that it came from.
      if (mode === "max" && executor.lazy === true) await bring();
      const outcome = { digest, record, blobs: named };
      outcomes.set(key, outcome);
      const layer = layerOf(outcome);
      if (layer !== undefined) layers.set(layer.unpacked, layer);
      if (executor.lazy !== true) for (const blob of named) blobs.add(blob);
      // What another builder packed stays as it is.
      else if (layer === undefined) for (const blob of named) lazy.add(blob);
      else if (mode === "max") blobs.add(layer.packed);
    }
  }
  // What is there as a packed layer can be unpacked again.
  const unpacked = mode === "min" ? [] : [...lazy].filter((blob) => !layers.has(blob));
  return { outcomes, blobs, unpacked: new Set(unpacked), layers };
}

/**
 * Whittle's records, in the order of keys: its steps come to single layers, so none stands on another.
 *
 * @param places - of layers in the cache, by their digests
 */
export function ownRecords(
  { outcomes, layers }: KeptSteps,
  places: ReadonlyMap<Digest, number>,
): readonly CacheRecord[] {
  const layersOf = (blob: Digest): number[] => {
    const packed = layers.get(blob)?.packed;
    const at = places.get(blob) ?? (packed && places.get(packed));
    return at === undefined ? [] : [at];
  };
  return [...outcomes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([digest, outcome]) => ({
      digest,
      results: [...new Set((outcome.blobs ?? []).flatMap(layersOf))].map((layer) => ({ layer })),
      ...{ chains: [], inputs: [], outcome },
    }));
}

/** The layer that an outcome tells of, if it is one of a layer. */
export function layerOf(
  outcome: Outcome,
): { readonly packed: Digest; readonly unpacked: Digest; readonly mediaType: string } | undefined {
  const layer = foundLayer(outcome);
  if (layer === undefined) return undefined;
  const { digest: packed, mediaType } = layer.descriptor;
  return { packed, unpacked: layer.diffId, mediaType };
}
