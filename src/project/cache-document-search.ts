import {
  type BaseLayer,
  type CopyParameters,
  changesTrees,
  foundLayer,
  type Input,
  inputOf,
  layerStack,
  type Step,
  type TreeValue,
  unseenSource,
} from "../build/index.ts";
import { RecordGraph, type Vertex, Vertices } from "../buildkit/index.ts";
import type { Digest } from "../io/index.ts";
import type { Tree } from "../tree/index.ts";
import type { OpenedDocument } from "./cache-open.ts";

/** What a document has of a step: the layer that it changed, or nothing but that somebody has done it. */
export interface FoundStep {
  readonly layer?: BaseLayer;
}

/** Layers from the lowest up; undefined for what cannot be taken. */
type Stack = readonly (BaseLayer | undefined)[];

/** The records of a document as they are asked: what was found stays, as long as inputs stay what they are. */
interface Lookup {
  readonly graph: RecordGraph;
  readonly vertices: Vertices;
  /** These know what was run here by its content alone. */
  readonly byContent: Vertices;
}

/**
 * Finds steps in one document of another builder's. Results there are whole stacks of layers, so a step is taken only
 * over the very stack below it: what other runs of the lower steps came to would not fit.
 */
export class DocumentSearch {
  readonly #document: OpenedDocument;
  readonly #inputs = new Map<Step, Input>();
  readonly #known = new WeakMap<Input, Promise<boolean>>();
  #lookup: Lookup;

  constructor(document: OpenedDocument) {
    this.#document = document;
    this.#lookup = this.#newLookup();
  }

  /** Which document it is. */
  get digest(): Digest {
    return this.#document.digest;
  }

  /**
   * Looks for a step. What it reads beside the tree below it is what the document's builder had, or has the same
   * content; the latter is asked for in a `second look` only, when no document knows more.
   *
   * @throws what the values of inputs throw
   */
  async find(
    step: Step,
    inputs: Readonly<Record<string, Input>>,
    look: "first look" | "second look",
  ): Promise<FoundStep | undefined> {
    const { lower: _, ...sources } = inputs;
    const lower = inputOf(inputs, "lower");
    for (const input of Object.values(inputs)) this.#note(input);
    const strangers = await this.#strangers(Object.values(sources));
    if (strangers.length > 0 !== (look === "second look")) return undefined;
    // Elsewhere, their files are not here to be read.
    if (strangers.some((one) => foundLayer(one) !== undefined || unseenSource(one) !== undefined)) {
      return undefined;
    }
    const { vertices, byContent } = this.#lookup;
    const stack = await layerStack(lower);
    const alone = strangers.length > 0 ? undefined : await this.#alone(step, stack);
    if (alone !== undefined) return { layer: alone };
    if (!(await this.#knows(lower))) return undefined;
    const places = await this.#places(await (strangers.length > 0 ? byContent : vertices).of(step));
    if (places.size === 0) return undefined;
    const layer = stack && this.#over(stack, places);
    return layer === undefined ? {} : { layer };
  }

  /** What `COPY --link` copies is a layer over nothing, whatever it is laid over then. */
  async #alone(step: Step, stack: readonly Digest[] | undefined): Promise<BaseLayer | undefined> {
    const { alone = false } = (step.parameters ?? {}) as Partial<CopyParameters>;
    // Over nothing there is nothing to merge it with.
    if (!alone || stack?.length === 0) return undefined;
    const merged = await this.#lookup.vertices.of(step);
    return this.#over([], await this.#places(merged?.inputs.at(-1)?.vertex));
  }

  /** The one layer of a result that lies over this stack. */
  #over(stack: readonly Digest[], places: ReadonlySet<number>): BaseLayer | undefined {
    const found = this.#stacks(places, stack.length + 1).find((one) => isStack(one.slice(0, -1), stack));
    return found?.at(-1);
  }

  /**
   * Whether what an input came to is what the document's builder had: records of what stands on it speak of that only.
   */
  #knows(input: Input): Promise<boolean> {
    let known = this.#known.get(input);
    if (known === undefined) {
      known = this.#isOwn(input);
      this.#known.set(input, known);
    }
    return known;
  }

  async #isOwn(input: Input): Promise<boolean> {
    const { step, inputs } = input;
    if (!changesTrees(step)) return (await this.#strangers(Object.values(inputs))).length === 0;
    const unseen = unseenSource(input);
    if (unseen !== undefined) return unseen === this.digest;
    const stack = await layerStack(input);
    if (stack === undefined) return false;
    const places = await this.#places(await this.#lookup.vertices.of(step));
    return this.#stacks(places, stack.length).some((one) => isStack(one, stack));
  }

  /** The steps, among inputs and what these are parts of, that came to something else than in the document. */
  async #strangers(inputs: readonly Input[]): Promise<readonly Input[]> {
    const each = await Promise.all(
      inputs.map(async (input) => {
        if (await this.#knows(input)) return [];
        return changesTrees(input.step) ? [input] : this.#strangers(Object.values(input.inputs));
      }),
    );
    return each.flat();
  }

  async #places(vertex: Vertex | undefined): Promise<ReadonlySet<number>> {
    try {
      return vertex === undefined ? new Set() : await this.#lookup.graph.find(vertex);
    } catch (error) {
      // What could not be read is asked anew when the steps that it comes from were run again.
      this.#lookup = this.#newLookup();
      throw error;
    }
  }

  #newLookup(): Lookup {
    const inputOfStep = (step: Step): Input => {
      const input = this.#inputs.get(step);
      if (input === undefined) throw new Error(`Internal error: a step of kind "${step.kind}" is no input`);
      return input;
    };
    const treeOf = async (step: Step): Promise<Tree> => (await inputOfStep(step).value<TreeValue>()).tree;
    return {
      graph: new RecordGraph(this.#document.records),
      vertices: new Vertices(treeOf),
      byContent: new Vertices(treeOf, (step) => this.#knows(inputOfStep(step))),
    };
  }

  #note(input: Input): void {
    const noted = this.#inputs.get(input.step);
    if (noted === input) return;
    // A step that was run again may have come to something else.
    if (noted !== undefined) this.#lookup = this.#newLookup();
    this.#inputs.set(input.step, input);
    for (const below of Object.values(input.inputs)) this.#note(below);
  }

  /** The results of some records that have so many layers, the youngest first, as BuildKit takes them. */
  #stacks(places: ReadonlySet<number>, height: number): Stack[] {
    const { layers, records } = this.#document;
    const dated: { readonly stack: Stack; readonly createdAt: string }[] = [];
    for (const at of places) {
      for (const { layer, createdAt = "" } of records[at]?.results ?? []) {
        const stack: (BaseLayer | undefined)[] = [];
        let place = layer;
        for (; place >= 0 && stack.length < height; place = layers[place]?.parent ?? -1) {
          stack.unshift(layers[place]?.layer);
        }
        if (place < 0) dated.push({ stack, createdAt });
      }
      for (const { layers: chain, createdAt = "" } of records[at]?.chains ?? []) {
        if (chain.length === height) {
          dated.push({ stack: chain.map((place) => layers[place]?.layer), createdAt });
        }
      }
    }
    const time = (text: string): number => Date.parse(text) || 0;
    return dated
      .filter(({ stack }) => stack.length === height)
      .sort((a, b) => time(b.createdAt) - time(a.createdAt))
      .map(({ stack }) => stack);
  }
}

function isStack(stack: Stack, digests: readonly Digest[]): boolean {
  return stack.length === digests.length && stack.every((layer, at) => layer?.diffId === digests[at]);
}
