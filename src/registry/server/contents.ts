import { type Descriptor, isIndexType, readIndex } from "../../image/index.ts";
import { type Digest, isDigest } from "../../io/index.ts";
import type { Store } from "../../store/index.ts";

// Which manifests an index names never changes; so many indexes are remembered.
const mostRemembered = 4096;

/**
 * What the repositories of a store hold. A tag is a name of the store; a manifest without a tag is held by its
 * repository, or is named by an index or speaks of a manifest that is in it.
 */
export class Contents {
  readonly #store: Store;
  readonly #children = new Map<Digest, readonly Descriptor[]>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** The tags of a repository, in order; nothing where there is no such repository. */
  async tags(repository: string): Promise<string[] | undefined> {
    const tags: string[] = [];
    for (const { reference } of await this.#store.list()) {
      const { name, tag } = cut(reference);
      if (isSame(name, repository)) tags.push(tag);
    }
    if (tags.length > 0) return tags.sort();
    return (await this.#store.held()).some((item) => item.repository === repository) ? [] : undefined;
  }

  /** All repositories, in order. */
  async repositories(): Promise<string[]> {
    const named = (await this.#store.list()).map(({ reference }) => cut(reference).name);
    const held = (await this.#store.held()).map(({ repository }) => repository);
    // A host with a port is no part of a repository's name.
    return [...new Set([...named, ...held])].filter((name) => !name.includes(":")).sort();
  }

  /** The manifest that a tag or digest of a repository stands for. */
  async find(repository: string, reference: string): Promise<Descriptor | undefined> {
    if (!isDigest(reference)) {
      const wanted = (await this.#store.list()).find((item) => {
        const { name, tag } = cut(item.reference);
        return tag === reference && isSame(name, repository);
      });
      return wanted?.descriptor;
    }
    // Before they push, clients ask for each manifest by its digest: nearly always it is nowhere yet.
    if ((await this.#store.file(reference)) === undefined) return undefined;
    for await (const item of this.#manifests(repository)) if (item.digest === reference) return item;
    return undefined;
  }

  /** Whether an index of a repository names a manifest. */
  async isInside(repository: string, digest: Digest): Promise<boolean> {
    for await (const item of this.#manifests(repository)) {
      if (!isIndexType(item.mediaType) || item.digest === digest) continue;
      if ((await this.#childrenOf(item)).some((child) => child.digest === digest)) return true;
    }
    return false;
  }

  /** Takes a manifest out of a repository, with all tags that it has there; answers whether it was in it. */
  async remove(repository: string, digest: Digest): Promise<boolean> {
    let removed = await this.#store.release(repository, digest);
    for (const { reference, descriptor } of await this.#store.list()) {
      if (descriptor.digest !== digest || !isSame(cut(reference).name, repository)) continue;
      await this.#store.untag(reference);
      removed = true;
    }
    return removed;
  }

  /** Takes a tag away; answers whether it was there. */
  async untag(repository: string, tag: string): Promise<boolean> {
    for (const { reference } of await this.#store.list()) {
      const found = cut(reference);
      if (found.tag === tag && isSame(found.name, repository)) {
        return (await this.#store.untag(reference)) !== undefined;
      }
    }
    return false;
  }

  async *#manifests(repository: string): AsyncGenerator<Descriptor, void, undefined> {
    const seen = new Set<string>();
    const roots: Descriptor[] = [
      ...(await this.#store.list())
        .filter(({ reference }) => isSame(cut(reference).name, repository))
        .map(({ descriptor }) => descriptor),
      ...(await this.#store.held())
        .filter((item) => item.repository === repository)
        .map(({ descriptor }) => descriptor),
    ];
    // Nearly always it is one of these, and nothing has to be read.
    yield* roots;
    const waiting = [...roots];
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      if (seen.has(item.digest)) continue;
      seen.add(item.digest);
      yield item;
      if (isIndexType(item.mediaType)) waiting.push(...(await this.#childrenOf(item)));
      waiting.push(...(await this.#store.referrers(item.digest, undefined, repository)));
    }
  }

  async #childrenOf(index: Descriptor): Promise<readonly Descriptor[]> {
    const known = this.#children.get(index.digest);
    if (known !== undefined) return known;
    const { manifests } = await readIndex(this.#store, index);
    if (this.#children.size >= mostRemembered) this.#children.clear();
    this.#children.set(index.digest, manifests);
    return manifests;
  }
}

function cut(reference: string): { readonly name: string; readonly tag: string } {
  const colon = reference.lastIndexOf(":");
  return { name: reference.slice(0, colon), tag: reference.slice(colon + 1) };
}

/** `debian` and `library/debian` are one repository, as everywhere. */
function isSame(name: string, repository: string): boolean {
  return name === repository || `library/${name}` === repository;
}
