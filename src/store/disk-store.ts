import { join } from "node:path";
import { type Descriptor, type Index, type Reference, reachable, storeName } from "../image/index.ts";
import { type Content, canonicalJson, type Digest, WhittleError, type Work } from "../io/index.ts";
import { BlobDirectory, type BlobFile } from "./blobs.ts";
import { type Collected, type CollectOptions, collect } from "./collect.ts";
import { find } from "./find.ts";
import { IndexFile } from "./index-file.ts";
import { type Lease, Leases, readLeases } from "./leases.ts";
import {
  type HeldManifest,
  heldEntry,
  heldManifests,
  isAttached,
  type NamedImage,
  named,
  names,
  plain,
  withAttached,
  withName,
  withoutHeld,
  withoutName,
} from "./names.ts";
import { readAnyDocument, referrerEntry, referrersOf, shown } from "./referrers.ts";
import { type Repaired, repair } from "./repair.ts";
import type { Store } from "./store.ts";
import { measure, type Usage } from "./usage.ts";
import { type Problem, verifyLayout } from "./verify.ts";

/** A store in a directory, an image layout that any number of processes use together. */
export class DiskStore implements Store {
  readonly directory: string;
  readonly #blobs: BlobDirectory;
  readonly #index: IndexFile;
  readonly #leases: Leases;

  constructor(directory: string) {
    this.directory = directory;
    this.#blobs = new BlobDirectory(directory, join(directory, "tmp"));
    this.#index = new IndexFile(directory, this.#blobs);
    this.#leases = new Leases(directory);
  }

  has(digest: Digest): Promise<boolean> {
    return this.#blobs.has(digest);
  }

  add(
    stream: AsyncIterable<Uint8Array>,
    expected?: Parameters<BlobDirectory["add"]>[1],
  ): Promise<{ readonly digest: Digest; readonly size: number }> {
    return this.#blobs.add(stream, expected);
  }

  file(digest: Digest): Promise<BlobFile | undefined> {
    return this.#blobs.file(digest);
  }

  content(digest: Digest): Promise<Content | undefined> {
    return this.#blobs.content(digest);
  }

  blob(descriptor: Descriptor): Promise<Content> {
    return this.#blobs.blob(descriptor);
  }

  unproved(descriptor: Descriptor): Promise<Content> {
    return this.#blobs.unproved(descriptor);
  }

  adopt(path: string, blob: { readonly digest: Digest; readonly size: number }): Promise<void> {
    return this.#blobs.adopt(path, blob);
  }

  lease(digests: Iterable<Digest>, holder?: string): Promise<void> {
    return this.#leases.take(digests, holder);
  }

  async leases(): Promise<readonly Lease[]> {
    return readLeases(this.directory);
  }

  async discard(digest: Digest): Promise<boolean> {
    return this.#index.locked(async () => {
      const seen = new Set<string>();
      for (const entry of (await this.#index.now()).manifests) {
        for await (const item of reachable(this.#blobs, entry, seen))
          if (item.digest === digest) return false;
      }
      await this.#blobs.remove(digest);
      return true;
    });
  }

  async held(): Promise<readonly HeldManifest[]> {
    return heldManifests(await this.#index.now());
  }

  async hold(repository: string, descriptor: Descriptor, tags: readonly string[] = []): Promise<void> {
    const is = (item: HeldManifest) =>
      item.repository === repository && item.descriptor.digest === descriptor.digest;
    const now = await this.#index.now();
    const isTagged = (tag: string) =>
      named(now, storeName(`${repository}:${tag}`))?.digest === descriptor.digest;
    if (heldManifests(now).some(is) && tags.every(isTagged)) return;
    const document = await readAnyDocument(this.#blobs, descriptor);
    const entry = heldEntry(shown(descriptor, document), repository, document.subject?.digest);
    await this.#index.change(async (index) => {
      await this.#mustBeWhole(descriptor);
      let manifests: readonly Descriptor[] = heldManifests(index).some(is)
        ? index.manifests
        : [...index.manifests, entry];
      for (const tag of tags) {
        manifests = withName({ ...index, manifests }, storeName(`${repository}:${tag}`), descriptor);
      }
      return [...manifests];
    });
  }

  async release(repository: string, digest: Digest): Promise<boolean> {
    let found = false;
    await this.#index.change(async (index) => {
      const left = withoutHeld(index, repository, digest);
      found = left.length < index.manifests.length;
      return left;
    });
    return found;
  }

  async resolve(reference: string | Reference): Promise<Descriptor | undefined> {
    return find(await this.#index.now(), this.#blobs, reference);
  }

  tag(reference: string | Reference, descriptor: Descriptor): Promise<void> {
    return this.publish([reference], descriptor);
  }

  async publish(
    references: readonly (string | Reference)[],
    descriptor: Descriptor,
    referrers: readonly Descriptor[] = [],
  ): Promise<void> {
    const wanted = references.map(storeName);
    const entries = await Promise.all(referrers.map((referrer) => referrerEntry(this.#blobs, referrer)));
    const isNamed = (index: Index, name: string): boolean => {
      const now = named(index, name);
      return now !== undefined && canonicalJson(now) === canonicalJson(plain(descriptor));
    };
    const before = await this.#index.now();
    const fresh = wanted.filter((name) => !isNamed(before, name));
    const added = entries.filter((entry) => !isAttached(before, entry, true));
    if (fresh.length === 0 && added.length === 0) return;
    await this.#index.change(async (index) => {
      await this.#mustBeWhole(...(fresh.length === 0 ? [] : [descriptor]), ...added);
      let { manifests } = index;
      for (const entry of added) manifests = withAttached({ ...index, manifests }, entry, true);
      for (const name of fresh) manifests = withName({ ...index, manifests }, name, descriptor);
      return [...manifests];
    });
  }

  async untag(reference: string | Reference): Promise<Descriptor | undefined> {
    const name = storeName(reference);
    if (named(await this.#index.now(), name) === undefined) return undefined;
    let gone: Descriptor | undefined;
    await this.#index.change(async (index) => {
      gone = named(index, name);
      return withoutName(index, name);
    });
    return gone;
  }

  async list(): Promise<NamedImage[]> {
    return names(await this.#index.now());
  }

  async referrers(digest: Digest, artifactType?: string, repository?: string): Promise<Descriptor[]> {
    return referrersOf(await this.#index.now(), this.#blobs, digest, { artifactType, repository });
  }

  async attach(descriptor: Descriptor, { replace = false } = {}): Promise<void> {
    const entry = await referrerEntry(this.#blobs, descriptor);
    if (isAttached(await this.#index.now(), entry, replace)) return;
    await this.#index.change(async (index) => {
      await this.#mustBeWhole(descriptor);
      return withAttached(index, entry, replace);
    });
  }

  verify(work: Work): AsyncIterable<Problem> {
    return verifyLayout(this.directory, this.#blobs, work);
  }

  repair(problems: Iterable<Problem>): Promise<Repaired> {
    return this.#index.locked(() => repair(this.directory, this.#blobs, problems));
  }

  gc(work: Work, options: CollectOptions = {}): Promise<Collected> {
    return this.#index.locked(() => collect(this.directory, this.#blobs, work, options), work.signal);
  }

  usage(): Promise<Usage> {
    return measure(this.directory, this.#blobs);
  }

  /**
   * A name must never stand for something that is not there entirely, nor for something whose documents say other sizes
   * than its blobs have: whoever gets it from here would refuse it.
   */
  async #mustBeWhole(...descriptors: readonly Descriptor[]): Promise<void> {
    const seen = new Set<string>();
    for (const descriptor of descriptors) {
      await this.#mustBeThere(descriptor);
      for await (const item of reachable(this.#blobs, descriptor, seen)) {
        await this.#mustBeThere(item);
        const found = await this.#blobs.file(item.digest);
        if (found === undefined || found.size === item.size) continue;
        throw new WhittleError(
          "DIGEST_MISMATCH",
          `Cannot name ${descriptor.digest}: its blob ${item.digest} has ${found.size} bytes, and a document of it says ${item.size}`,
          { hint: "the image is wrong where it comes from" },
        );
      }
    }
  }

  async #mustBeThere({ digest }: Descriptor): Promise<void> {
    if (await this.has(digest)) return;
    throw new WhittleError(
      "STORE_INVALID",
      `Cannot name ${digest} in ${this.directory}: its blob is not in the store`,
    );
  }
}
