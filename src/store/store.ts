import { stat } from "node:fs/promises";
import { join } from "node:path";
import {
  type BlobSink,
  type BlobSource,
  childrenOf,
  type Descriptor,
  type Index,
  isIndexType,
  type Manifest,
  type Reference,
  reachable,
  readIndex,
  readManifest,
  storeName,
} from "../image/index.ts";
import {
  type Content,
  canonicalJson,
  type Digest,
  explainSystemError,
  WhittleError,
  type Work,
  withLock,
} from "../io/index.ts";
import { BlobDirectory } from "./blobs.ts";
import { type Collected, type CollectOptions, collect } from "./collect.ts";
import { createStore } from "./create.ts";
import { find } from "./find.ts";
import { isLayout, layoutIndexText, readLayoutIndex, replaceFile } from "./layout.ts";
import {
  attachment,
  type HeldManifest,
  heldEntry,
  heldManifests,
  isHeld,
  type NamedImage,
  named,
  nameless,
  names,
  plain,
  withName,
  withoutHeld,
  withoutName,
} from "./names.ts";
import { type Repaired, repair } from "./repair.ts";
import { measure, type Usage } from "./usage.ts";
import { type Problem, verifyLayout } from "./verify.ts";

/** The local home of blobs and names: an image layout on disk, safe to use from many processes at once. */
export interface Store extends BlobSink, BlobSource {
  readonly directory: string;
  /**
   * Takes a file over as a blob, by renaming it: it has to be on the store's file system, and its bytes have been
   * proved by the caller.
   */
  adopt(path: string, blob: { readonly digest: Digest; readonly size: number }): Promise<void>;
  /** Deletes a blob that nothing in the store leads to; answers whether it did. */
  discard(digest: Digest): Promise<boolean>;
  /** Keeps a manifest in a repository that knows it by its digest, with a tag or without. */
  hold(repository: string, manifest: Descriptor): Promise<void>;
  /** The manifests that a repository knows by digest, beside those that have a tag in it. */
  held(): Promise<readonly HeldManifest[]>;
  /** Takes a manifest out of a repository; answers whether it was in it. */
  release(repository: string, digest: Digest): Promise<boolean>;
  /** A blob's bytes, or nothing when it is not there; reading all of them verifies them. */
  content(digest: Digest): Promise<Content | undefined>;
  /**
   * What a reference stands for: a name (without a tag: `latest`), `name@digest`, a digest, or the first hex
   * digits of one as long as only one image has them.
   *
   * @throws WhittleError `REFERENCE_INVALID` when it is malformed or stands for several
   */
  resolve(reference: string | Reference): Promise<Descriptor | undefined>;
  /**
   * Gives a name to an image that is in the store; the name's former image keeps its blobs until they are
   * collected. A name that already stands for it is not written again.
   *
   * @throws WhittleError `STORE_INVALID` when a blob of the image is missing
   */
  tag(reference: string | Reference, descriptor: Descriptor): Promise<void>;
  /** Takes a name away; answers with what it stood for. */
  untag(reference: string | Reference): Promise<Descriptor | undefined>;
  /** All names, in order. */
  list(): Promise<NamedImage[]>;
  /** The manifests that were attached to a subject, by artifact type where one is given. */
  referrers(digest: Digest, artifactType?: string): Promise<Descriptor[]>;
  /**
   * Lists a manifest that has a `subject` among that subject's referrers; with `replace`, in place of the others
   * of its artifact type.
   */
  attach(manifest: Descriptor, options?: { readonly replace?: boolean }): Promise<void>;
  /** Reads everything and tells what is wrong; nothing means that the store is whole. */
  verify(work: Work): AsyncIterable<Problem>;
  /** Takes away what {@link verify} found to be damaged, so that the next build or pull makes it anew. */
  repair(problems: Iterable<Problem>): Promise<Repaired>;
  /** Deletes what nothing leads to. */
  gc(work: Work, options?: CollectOptions): Promise<Collected>;
  usage(): Promise<Usage>;
}

/**
 * Opens a store. This costs one small read; nothing else is looked at before it is needed.
 *
 * @param options - `create`: make it where there is none, in a directory that is empty or missing
 * @throws WhittleError `NOT_FOUND` when there is none, `STORE_INVALID` when the directory is something else
 */
export async function openStore(
  directory: string,
  options: { readonly create?: boolean } = {},
): Promise<Store> {
  if (!(await isLayout(directory))) {
    if (options.create !== true) {
      throw new WhittleError("NOT_FOUND", `Cannot open the store ${directory}: there is none`, {
        hint: "build or pull an image first, or choose another place with --store or WHITTLE_STORE",
      });
    }
    await createStore(directory);
  }
  return new DiskStore(directory);
}

class DiskStore implements Store {
  readonly directory: string;
  readonly #blobs: BlobDirectory;
  #read: { readonly stamp: string; readonly index: Index } | undefined;

  constructor(directory: string) {
    this.directory = directory;
    this.#blobs = new BlobDirectory(directory, join(directory, "tmp"));
  }

  has(digest: Digest): Promise<boolean> {
    return this.#blobs.has(digest);
  }

  add(
    stream: AsyncIterable<Uint8Array>,
    expected?: { readonly digest?: Digest; readonly size?: number },
  ): Promise<{ readonly digest: Digest; readonly size: number }> {
    return this.#blobs.add(stream, expected);
  }

  content(digest: Digest): Promise<Content | undefined> {
    return this.#blobs.content(digest);
  }

  blob(descriptor: Descriptor): Promise<Content> {
    return this.#blobs.blob(descriptor);
  }

  adopt(path: string, blob: { readonly digest: Digest; readonly size: number }): Promise<void> {
    return this.#blobs.adopt(path, blob);
  }

  async discard(digest: Digest): Promise<boolean> {
    return this.#locked(async () => {
      const { manifests } = await readLayoutIndex(this.directory);
      for (const entry of manifests) {
        for await (const item of reachable(this.#blobs, entry)) if (item.digest === digest) return false;
      }
      await this.#blobs.remove(digest);
      return true;
    });
  }

  async held(): Promise<readonly HeldManifest[]> {
    return heldManifests(await this.#index());
  }

  async hold(repository: string, descriptor: Descriptor): Promise<void> {
    const is = (item: HeldManifest) =>
      item.repository === repository && item.descriptor.digest === descriptor.digest;
    if ((await this.held()).some(is)) return;
    const document = await readDocument(this.#blobs, descriptor);
    const entry = heldEntry(asReferrer(descriptor, document), repository, document.subject?.digest);
    await this.#change(async (index) => {
      await this.#mustBeWhole(descriptor);
      return heldManifests(index).some(is) ? [...index.manifests] : [...index.manifests, entry];
    });
  }

  async release(repository: string, digest: Digest): Promise<boolean> {
    let found = false;
    await this.#change(async (index) => {
      const left = withoutHeld(index, repository, digest);
      found = left.length < index.manifests.length;
      return left;
    });
    return found;
  }

  async resolve(reference: string | Reference): Promise<Descriptor | undefined> {
    return find(await this.#index(), this.#blobs, reference);
  }

  async tag(reference: string | Reference, descriptor: Descriptor): Promise<void> {
    const name = storeName(reference);
    const now = named(await this.#index(), name);
    if (now !== undefined && canonicalJson(now) === canonicalJson(plain(descriptor))) return;
    await this.#change(async (index) => {
      await this.#mustBeWhole(descriptor);
      return withName(index, name, descriptor);
    });
  }

  async untag(reference: string | Reference): Promise<Descriptor | undefined> {
    const name = storeName(reference);
    if (named(await this.#index(), name) === undefined) return undefined;
    let gone: Descriptor | undefined;
    await this.#change(async (index) => {
      gone = named(index, name);
      return withoutName(index, name);
    });
    return gone;
  }

  async list(): Promise<NamedImage[]> {
    return names(await this.#index());
  }

  async referrers(digest: Digest, artifactType?: string): Promise<Descriptor[]> {
    const found = new Map<Digest, Descriptor>();
    for (const { entry, subject } of nameless(await this.#index())) {
      // What a repository holds says of itself whether it has a subject; what another tool wrote has to be read.
      const of = subject ?? (isHeld(entry) ? undefined : await this.#subjectOf(entry));
      if (of !== digest) continue;
      if (artifactType === undefined || entry.artifactType === artifactType)
        found.set(entry.digest, plain(entry));
    }
    return [...found.values()];
  }

  async attach(descriptor: Descriptor, options: { readonly replace?: boolean } = {}): Promise<void> {
    const manifest = await readManifest(this.#blobs, descriptor);
    if (manifest.subject === undefined) {
      throw new WhittleError(
        "IMAGE_INVALID",
        `Cannot attach ${descriptor.digest}: its manifest has no subject`,
      );
    }
    const subject = manifest.subject.digest;
    const entry = attachment(asReferrer(descriptor, manifest), subject);
    const superfluous = (other: Descriptor, of: string | undefined): boolean =>
      !isHeld(other) &&
      (other.digest === entry.digest ||
        (options.replace === true && of === subject && other.artifactType === entry.artifactType));
    const before = nameless(await this.#index()).filter((item) => superfluous(item.entry, item.subject));
    if (before.length === 1 && canonicalJson(before[0]?.entry) === canonicalJson(entry)) return;
    await this.#change(async (index) => {
      await this.#mustBeWhole(descriptor);
      const dropped = new Set(
        nameless(index)
          .filter((item) => superfluous(item.entry, item.subject))
          .map((item) => item.entry),
      );
      return [...index.manifests.filter((item) => !dropped.has(item)), entry];
    });
  }

  verify(work: Work): AsyncIterable<Problem> {
    return verifyLayout(this.directory, this.#blobs, work);
  }

  repair(problems: Iterable<Problem>): Promise<Repaired> {
    return this.#locked(() => repair(this.directory, this.#blobs, problems));
  }

  gc(work: Work, options: CollectOptions = {}): Promise<Collected> {
    return this.#locked(() => collect(this.directory, this.#blobs, work, options), work.signal);
  }

  usage(): Promise<Usage> {
    return measure(this.directory, this.#blobs);
  }

  /** The index as it is on disk now, read again only when the file is another one. */
  async #index(): Promise<Index> {
    const path = join(this.directory, "index.json");
    const found = await stat(path, { bigint: true }).catch(() => undefined);
    const stamp = `${found?.ino} ${found?.mtimeNs} ${found?.size}`;
    if (found === undefined || this.#read?.stamp !== stamp) {
      this.#read = { stamp, index: await readLayoutIndex(this.directory) };
    }
    return this.#read.index;
  }

  async #change(change: (index: Index) => Promise<Descriptor[]>): Promise<void> {
    await this.#locked(async () => {
      const entries = await change(await readLayoutIndex(this.directory));
      await this.#blobs.sync();
      await replaceFile(
        join(this.directory, "index.json"),
        layoutIndexText(entries),
        join(this.directory, "tmp"),
      );
    });
  }

  async #locked<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    try {
      return await withLock(join(this.directory, "lock"), work, signal === undefined ? {} : { signal });
    } catch (error) {
      throw explainSystemError(error, `change the store ${this.directory}`);
    }
  }

  /** A name must never stand for something that is not there entirely. */
  async #mustBeWhole(descriptor: Descriptor): Promise<void> {
    if (!(await this.has(descriptor.digest))) {
      throw new WhittleError(
        "STORE_INVALID",
        `Cannot name ${descriptor.digest} in ${this.directory}: its blob is not in the store`,
      );
    }
    for (const child of await childrenOf(this.#blobs, descriptor)) {
      // A layer that may not be handed on stays where its addresses say (image-spec, "Non-Distributable Layers").
      if ((child.urls ?? []).length === 0) await this.#mustBeWhole(child);
    }
  }

  async #subjectOf(entry: Descriptor): Promise<string | undefined> {
    const document = await readDocument(this.#blobs, entry).catch(() => undefined);
    return document?.subject?.digest;
  }
}

function readDocument(blobs: BlobSource, descriptor: Descriptor): Promise<Manifest | Index> {
  return isIndexType(descriptor.mediaType) ? readIndex(blobs, descriptor) : readManifest(blobs, descriptor);
}

/** How an index or a referrers list shows an artifact (distribution-spec, "Listing Referrers"). */
function asReferrer(descriptor: Descriptor, document: Manifest | Index): Descriptor {
  const { mediaType, digest, size } = descriptor;
  const artifactType =
    document.artifactType ?? ("config" in document ? document.config.mediaType : undefined);
  const { annotations } = document;
  return {
    ...{ mediaType, digest, size },
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}
