import type { Digest } from "../io/index.ts";
import type { CacheLink, CacheRecord, CacheResult } from "./cache-document.ts";
import type { Vertex, VertexInput } from "./vertex.ts";

/**
 * Comes to the digests of the root records of what a vertex reads of one of its inputs; none where that is not to be
 * written.
 */
export type ContentOf = (input: VertexInput, index: number, vertex: Vertex) => Promise<readonly Digest[]>;

/** What is known of a vertex beside its definition. */
export interface VertexKnowledge {
  readonly result?: CacheResult | undefined;
  /**
   * Of the vertex, and of those below it that nobody has written yet: they are parts of the same step. Without it only
   * those contents are asked for without which an input is known by nothing.
   */
  readonly content?: ContentOf | undefined;
}

/**
 * Makes the records of a cache document from vertices, so that whoever looks for these finds them: one for each name,
 * which links to the records that its inputs may be and to root records of what it reads of them (moby/buildkit,
 * cache/remotecache/v1/chains.go). What is equal is written once.
 */
export class RecordWriter {
  readonly #records: (CacheRecord & { readonly results: CacheResult[] })[] = [];
  readonly #places = new Map<string, number>();
  readonly #vertices = new Map<Vertex, readonly number[]>();

  /** As a document has them. */
  get records(): readonly CacheRecord[] {
    return this.#records;
  }

  /**
   * Writes a vertex, and before it all that it stands on.
   *
   * @returns the places of its records; none where an input is not known for certain
   * @throws what asking for a content throws
   */
  async add(
    vertex: Vertex,
    { result, content = onlyNeeded }: VertexKnowledge = {},
  ): Promise<readonly number[]> {
    let places = this.#vertices.get(vertex);
    if (places === undefined) {
      places = await this.#write(vertex, content);
      this.#vertices.set(vertex, places);
    }
    if (result !== undefined) for (const place of places) this.#addResult(place, result);
    return places;
  }

  async #write(vertex: Vertex, content: ContentOf): Promise<readonly number[]> {
    const links: CacheLink[][] = [];
    for (const [index, input] of vertex.inputs.entries()) {
      const below = input.vertex === undefined ? [] : await this.add(input.vertex, { content });
      const read = await content(input, index, vertex);
      const linked = [
        ...below.map((link) => ({ selector: input.selector, link })),
        ...read.map((digest) => ({ selector: "", link: this.#place(digest, []) })),
      ];
      if (linked.length === 0) return [];
      links.push(linked);
    }
    return vertex.names.map((name) => this.#place(name, links));
  }

  #place(digest: Digest, inputs: readonly (readonly CacheLink[])[]): number {
    const text = JSON.stringify([digest, inputs]);
    let place = this.#places.get(text);
    if (place === undefined) {
      place = this.#records.push({ digest, results: [], chains: [], inputs }) - 1;
      this.#places.set(text, place);
    }
    return place;
  }

  #addResult(place: number, result: CacheResult): void {
    const results = this.#records[place]?.results;
    if (results?.some(({ layer }) => layer === result.layer) === false) results.push(result);
  }
}

async function onlyNeeded({ vertex, content }: VertexInput): Promise<readonly Digest[]> {
  return vertex === undefined && content !== undefined ? content() : [];
}
