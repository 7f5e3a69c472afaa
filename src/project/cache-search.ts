import {
  type Asked,
  askedCompression,
  changesTrees,
  foundLayer,
  foundOutcome,
  type Input,
  inputOf,
  layerOutcome,
  type Outcome,
  type Step,
  unseenOutcome,
  unseenSource,
} from "../build/index.ts";
import { layerMediaType, measureLayer } from "../image/index.ts";
import { type Digest, sha256, WhittleError } from "../io/index.ts";
import type { Store } from "../store/index.ts";
import { DocumentSearch } from "./cache-document-search.ts";
import type { OpenedDocument } from "./cache-open.ts";

/** Where what was found is brought to. */
export interface SearchHome {
  readonly store: Store;
  readonly signal: AbortSignal;
  /** Puts a blob into the store; false when it is not to be had. */
  readonly fetchBlob: (digest: Digest) => Promise<boolean>;
}

/** Looks for steps in caches that know them by BuildKit's names. */
export class CacheSearch {
  readonly #documents: readonly DocumentSearch[];
  readonly #home: SearchHome;

  constructor(documents: readonly OpenedDocument[], home: SearchHome) {
    this.#documents = documents.map((document) => new DocumentSearch(document));
    this.#home = home;
  }

  /** What a step came to, if one of the caches knows it. Throws what the values of inputs throw. */
  async find({ step, key, inputs }: Asked): Promise<Outcome | undefined> {
    if (step.kind === "select") return selected(key, inputOf(inputs, "source"));
    if (step.kind === "layer") return this.#packed(step, inputOf(inputs, "tree"));
    if (!changesTrees(step)) return undefined;
    const lower = inputOf(inputs, "lower");
    let unseen: Digest | undefined;
    for (const look of ["first look", "second look"] as const) {
      for (const document of this.#documents) {
        const found = await document.find(step, inputs, look).catch((error: unknown) => {
          // What cannot be read is told by whoever runs the step.
          if (!(error instanceof WhittleError) || this.#home.signal.aborted) throw error;
        });
        if (found?.layer !== undefined) return foundOutcome(lower, found.layer);
        if (found !== undefined) unseen ??= document.digest;
      }
      if (unseen !== undefined) return unseenOutcome(key, unseen);
    }
    return undefined;
  }

  /** The layer of what another builder changed, as that builder packed it. */
  async #packed(step: Step, tree: Input): Promise<Outcome | undefined> {
    const layer = foundLayer(tree);
    const type = askedCompression(step);
    if (layer === undefined || type === undefined) return undefined;
    const { mediaType, digest } = layer.descriptor;
    if (layerMediaType({ type }) !== mediaType) return undefined;
    const { store, fetchBlob, signal } = this.#home;
    if (!(await store.has(digest)) && !(await fetchBlob(digest))) return undefined;
    try {
      return layerOutcome(await measureLayer(store, layer, signal));
    } catch (error) {
      if (!(error instanceof WhittleError) || signal.aborted) throw error;
      // Whoever wants the step's value now is told what is wrong.
      return undefined;
    }
  }
}

/** A part of what nobody has looked at is known by what it is a part of. */
function selected(key: Digest, source: Input): Outcome | undefined {
  const isElsewhere = foundLayer(source) !== undefined || unseenSource(source) !== undefined;
  return isElsewhere ? { digest: sha256(`selected ${key}`), record: null } : undefined;
}
