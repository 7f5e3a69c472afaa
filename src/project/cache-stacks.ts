import { type BaseLocal, foundLayer, type Solved, type Step } from "../build/index.ts";
import type { Descriptor, LayerRecord } from "../image/index.ts";
import type { Digest } from "../io/index.ts";

/** A layer as a cache carries it. */
export interface PackedLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

/** What stacks of layers are put together with. */
export interface StackSources {
  /** Whether a layer can go along. */
  readonly isThere: (layer: Digest) => boolean | Promise<boolean>;
  /** Comes to the layer of what a step changed that no image has as a layer; undefined where it does not go along. */
  readonly write?: (solved: Solved) => Promise<PackedLayer | undefined>;
}

/** The layers that the trees of steps are made of, as far as they can go into a cache. */
export class LayerStacks {
  readonly #solved: ReadonlyMap<Step, Solved>;
  readonly #sources: StackSources;
  readonly #written = new Map<Step, PackedLayer>();
  readonly #stacks = new Map<Step, Promise<readonly PackedLayer[] | undefined>>();

  constructor(solved: ReadonlyMap<Step, Solved>, sources: StackSources) {
    this.#solved = solved;
    this.#sources = sources;
    for (const { step, record } of solved.values()) {
      const { tree } = step.inputs;
      if (step.kind !== "layer" || tree === undefined || this.#written.has(tree)) continue;
      const { descriptor, diffId } = record as unknown as LayerRecord;
      this.#written.set(tree, { descriptor, diffId });
    }
  }

  /** From the lowest up; undefined where one of them is not to be had. */
  of(step: Step): Promise<readonly PackedLayer[] | undefined> {
    let stack = this.#stacks.get(step);
    if (stack === undefined) {
      stack = this.#make(step);
      this.#stacks.set(step, stack);
    }
    return stack;
  }

  async #make(step: Step): Promise<readonly PackedLayer[] | undefined> {
    if (step.kind === "scratch") return [];
    if (step.kind === "base") return this.#onlyIfThere(await baseLayers(step));
    const lower = step.inputs["lower"];
    const below = lower === undefined ? undefined : await this.of(lower);
    const solved = this.#solved.get(step);
    if (below === undefined || solved === undefined) return undefined;
    const own = this.#written.get(step) ?? foundLayer(solved) ?? (await this.#sources.write?.(solved));
    const there = own === undefined ? undefined : await this.#onlyIfThere([own]);
    return there === undefined ? undefined : [...below, ...there];
  }

  async #onlyIfThere(layers: readonly PackedLayer[]): Promise<readonly PackedLayer[] | undefined> {
    const there = await Promise.all(layers.map(({ descriptor }) => this.#sources.isThere(descriptor.digest)));
    return there.every(Boolean) ? layers : undefined;
  }
}

async function baseLayers(step: Step): Promise<readonly PackedLayer[]> {
  const { image } = step.local as BaseLocal;
  const layers = await image.layers();
  return layers.map(({ descriptor, diffId }) => ({ descriptor, diffId: diffId as Digest }));
}
