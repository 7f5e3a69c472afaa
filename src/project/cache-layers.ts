import { type CacheLayer, unpackedAnnotation } from "../buildkit/index.ts";
import type { Descriptor } from "../image/index.ts";
import type { Digest } from "../io/index.ts";
import type { PackedLayer } from "./cache-stacks.ts";

/** The layers of a cache document, each with the one below it; the same layer over another one is another entry. */
export class LayerTable {
  readonly layers: CacheLayer[] = [];
  readonly #places = new Map<string, number>();
  readonly #descriptors = new Map<Digest, Descriptor>();

  /** What goes along, in the order of digests; what is no layer has no unpacked form. */
  get descriptors(): readonly Descriptor[] {
    return [...this.#descriptors.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  }

  /** Takes in what goes along on its own; a layer is listed over nothing. */
  carry(descriptor: Descriptor): void {
    this.#descriptors.set(descriptor.digest, descriptor);
    if (descriptor.annotations?.[unpackedAnnotation] !== undefined) this.#place(descriptor.digest, -1);
  }

  /** The place of the uppermost layer of a stack, which goes along; undefined for an empty one. */
  place(stack: readonly PackedLayer[]): number | undefined {
    let top = -1;
    for (const { descriptor, diffId } of stack) {
      if (!this.#descriptors.has(descriptor.digest)) {
        this.#descriptors.set(descriptor.digest, layerDescriptor(descriptor, diffId));
      }
      top = this.#place(descriptor.digest, top);
    }
    return top < 0 ? undefined : top;
  }

  #place(blob: Digest, parent: number): number {
    const text = `${parent} ${blob}`;
    let place = this.#places.get(text);
    if (place === undefined) {
      place = this.layers.push({ blob, parent }) - 1;
      this.#places.set(text, place);
    }
    return place;
  }
}

/** A layer as a cache's manifest lists it: BuildKit reads only those that say what they unpack to. */
export function layerDescriptor(
  { mediaType, digest, size }: Pick<Descriptor, "mediaType" | "digest" | "size">,
  diffId: Digest,
): Descriptor {
  return { mediaType, digest, size, annotations: { [unpackedAnnotation]: diffId } };
}
