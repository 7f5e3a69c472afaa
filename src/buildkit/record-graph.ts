import type { Digest } from "../io/index.ts";
import { Answers } from "./answers.ts";
import type { CacheRecord } from "./cache-document.ts";
import type { Vertex, VertexInput } from "./vertex.ts";

/**
 * The records of a cache document as a graph that is asked by vertices, as BuildKit asks it (moby/buildkit,
 * solver/cachemanager.go and cache/remotecache/v1/cachestorage.go): a record is a vertex when it has its name and,
 * for every input, a link with the input's selector to a record that the input is, or one to its content.
 */
export class RecordGraph {
  readonly #records: readonly CacheRecord[];
  readonly #places = new Map<Digest, number[]>();
  readonly #found = new Answers<Vertex, ReadonlySet<number>>();

  /** @param records - as a document has them: nothing links in circles, every link leads somewhere */
  constructor(records: readonly CacheRecord[]) {
    this.#records = records;
    for (const [at, { digest }] of records.entries()) {
      const places = this.#places.get(digest);
      if (places === undefined) this.#places.set(digest, [at]);
      else places.push(at);
    }
  }

  /**
   * The places of the records that are this vertex. The contents of inputs are asked only where some record fits but
   * for an input that is not known by its definition, and none fits in all.
   *
   * @throws what asking for a content throws
   */
  find(vertex: Vertex): Promise<ReadonlySet<number>> {
    return this.#found.get(vertex, () => this.#find(vertex));
  }

  async #find({ names, inputs }: Vertex): Promise<ReadonlySet<number>> {
    // Each in a turn of its own: a long chain of vertices shall need no deep stack.
    await undefined;
    const named = names.flatMap((name) => this.#places.get(name) ?? []);
    let left = named.filter((at) => this.#records[at]?.inputs.length === inputs.length);
    const undecided: { input: VertexInput; index: number; known: ReadonlySet<number> }[] = [];
    // Inputs that nothing but their definition can decide go first: they are cheap, and rule out most.
    for (const [index, input] of inputs.entries()) {
      if (left.length === 0) break;
      const below = input.vertex === undefined ? new Set<number>() : await this.find(input.vertex);
      const known = new Set(this.#linked(left, index, input.selector, below));
      if (input.content === undefined) left = left.filter((at) => known.has(at));
      else if (known.size < left.length) undecided.push({ input, index, known });
    }
    const defined = left.filter((at) => undecided.every(({ known }) => known.has(at)));
    if (defined.length > 0) return new Set(defined);
    for (const { input, index, known } of undecided) {
      if (left.every((at) => known.has(at))) continue;
      const roots = await this.#rootsOf(input);
      const read = new Set(this.#linked(left, index, "", roots));
      left = left.filter((at) => known.has(at) || read.has(at));
    }
    return new Set(left);
  }

  async #rootsOf({ content }: VertexInput): Promise<ReadonlySet<number>> {
    const digests = (await content?.()) ?? [];
    const places = digests.flatMap((digest) => this.#places.get(digest) ?? []);
    return new Set(places.filter((at) => this.#records[at]?.inputs.length === 0));
  }

  /** Those of some records whose input may be one of others. */
  #linked(
    records: readonly number[],
    input: number,
    selector: string,
    below: ReadonlySet<number>,
  ): readonly number[] {
    if (below.size === 0) return [];
    return records.filter((at) =>
      this.#records[at]?.inputs[input]?.some((link) => link.selector === selector && below.has(link.link)),
    );
  }
}
