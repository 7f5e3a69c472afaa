import type { BlobSink, BlobSource, Descriptor, Reference } from "../image/index.ts";
import { type Content, type Digest, WhittleError, type Work } from "../io/index.ts";
import type { BlobFile } from "./blobs.ts";
import type { Collected, CollectOptions } from "./collect.ts";
import { createStore } from "./create.ts";
import { DiskStore } from "./disk-store.ts";
import { isLayout } from "./layout.ts";
import type { Lease } from "./leases.ts";
import type { HeldManifest, NamedImage } from "./names.ts";
import type { Repaired } from "./repair.ts";
import type { Usage } from "./usage.ts";
import type { Problem } from "./verify.ts";

/** The local home of blobs and names: an image layout on disk, safe to use from many processes at once. */
export interface Store extends BlobSink, BlobSource {
  readonly directory: string;
  /**
   * Takes a file over as a blob, by renaming it: it has to be on the store's file system, and its bytes have been
   * proved by the caller.
   */
  adopt(path: string, blob: { readonly digest: Digest; readonly size: number }): Promise<void>;
  /**
   * Keeps blobs from garbage collection for an hour from now, whatever names them: to be said by who is going to name
   * them or is sending them, before looking whether they are there.
   *
   * @param holder - a word that says for whom, to find them by
   */
  lease(digests: Iterable<Digest>, holder?: string): Promise<void>;
  /** The leases that are known of, those among them that ended lately too. */
  leases(): Promise<readonly Lease[]>;
  /** Deletes a blob that nothing in the store leads to; answers whether it did. */
  discard(digest: Digest): Promise<boolean>;
  /**
   * Keeps a manifest in a repository that knows it by its digest, and gives it tags there.
   *
   * @throws WhittleError `STORE_INVALID` when a blob of it is missing, `STORE_FULL`
   */
  hold(repository: string, manifest: Descriptor, tags?: readonly string[]): Promise<void>;
  /** The manifests that a repository knows by digest, beside those that have a tag in it. */
  held(): Promise<readonly HeldManifest[]>;
  /** Takes a manifest out of a repository; answers whether it was in it. */
  release(repository: string, digest: Digest): Promise<boolean>;
  /** Where a blob lies, for who sends it on as it is; its bytes are to be verified. */
  file(digest: Digest): Promise<BlobFile | undefined>;
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
   * @throws WhittleError `STORE_INVALID` when a blob of the image is missing, `STORE_FULL`
   */
  tag(reference: string | Reference, descriptor: Descriptor): Promise<void>;
  /**
   * Gives all of these names to an image, and lists manifests among its referrers (each in place of the others of its
   * artifact type), in one change of the store.
   *
   * @param referrers - manifests whose `subject` is the image, or one that it leads to
   * @throws WhittleError `STORE_INVALID` when a blob is missing, `STORE_FULL`
   */
  publish(
    references: readonly (string | Reference)[],
    descriptor: Descriptor,
    referrers?: readonly Descriptor[],
  ): Promise<void>;
  /** Takes a name away; answers with what it stood for. */
  untag(reference: string | Reference): Promise<Descriptor | undefined>;
  /** All names, in order. */
  list(): Promise<NamedImage[]>;
  /**
   * The manifests that were attached to a subject, by artifact type where one is given; of those that repositories
   * hold only the ones of `repository`, where one is given.
   */
  referrers(digest: Digest, artifactType?: string, repository?: string): Promise<Descriptor[]>;
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
