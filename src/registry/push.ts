import { headerOf } from "../http/index.ts";
import {
  type BlobSource,
  childrenOf,
  type Descriptor,
  isIndexType,
  isManifestType,
  readIndex,
  readManifest,
  staysElsewhere,
} from "../image/index.ts";
import { type Digest, readContent, type Work } from "../io/index.ts";
import { uploadAhead } from "./ahead.ts";
import { putManifest } from "./put-manifest.ts";
import { changeListedByTag } from "./referrers.ts";
import { Repository } from "./repository.ts";
import type { Session } from "./session.ts";
import { type Pushed, uploadBlob } from "./upload.ts";

/** Where images are pushed to, and where their blobs come from. */
export interface PushTarget {
  readonly session: Session;
  readonly repository: string;
  readonly source: BlobSource;
  /** Which other repository of the same registry may have a blob, which is mounted then. */
  readonly from?: ((blob: Digest) => Promise<string | undefined>) | undefined;
  readonly work: Work;
}

/** An image on its way. */
export interface PushedImage {
  /** Without one, the image is there by its digest only. */
  readonly tag?: string | undefined;
  readonly descriptor: Descriptor;
  /** Manifests that speak of the image and go with it. */
  readonly referrers?: readonly Descriptor[];
}

/** What a push came to. */
export interface PushResult {
  readonly descriptor: Descriptor;
  /** Blobs and manifests by what became of them. */
  readonly counts: Readonly<Record<Pushed, number>>;
}

/**
 * Pushes an image: what the registry has already does not travel, what a manifest names is there before the manifest
 * (distribution-spec, "Push"). An image that the tag names already costs one request.
 *
 * @throws WhittleError `REGISTRY_DENIED`, `REGISTRY_REFUSED`, `NETWORK`
 */
export function pushImage(push: PushTarget & PushedImage): Promise<PushResult> {
  return new RepositoryPush(push).image(push);
}

/** Pushes into one repository; each digest travels once, however many images and manifests name it. */
export class RepositoryPush {
  readonly #target: PushTarget;
  readonly #repository: Repository;
  readonly #counts: Record<Pushed, number> = { there: 0, mounted: 0, uploaded: 0 };
  readonly #pending = new Map<string, Promise<void>>();

  constructor(target: PushTarget) {
    this.#target = target;
    this.#repository = new Repository(target.session, target.repository, target.work.signal);
  }

  /** Pushes a blob, or a manifest and all that it names; an image that names it later waits for this. */
  ensure(item: Descriptor): Promise<void> {
    const known = this.#pending.get(item.digest);
    if (known !== undefined) return known;
    const isDocument = isIndexType(item.mediaType) || isManifestType(item.mediaType);
    const made = isDocument ? this.#document(item) : this.#blob(item);
    this.#remember(item.digest, made);
    return made;
  }

  /**
   * Pushes a blob while it is being written, as far as that goes; an image that names it later waits for this.
   *
   * @param file - where it grows
   * @param written - what it comes to, once the source has it; rejected when it comes to nothing
   */
  ahead(file: string, written: Promise<Descriptor>): void {
    const { session, repository, work } = this.#target;
    const twice = new AbortController();
    const signal = AbortSignal.any([work.signal, twice.signal]);
    const sent = uploadAhead({ session, repository, file, written, work: { ...work, signal } });
    written.then(
      (blob) => {
        if (this.#pending.has(blob.digest)) twice.abort();
        else this.#remember(blob.digest, this.#ended(sent, blob));
      },
      () => undefined,
    );
  }

  async #ended(sent: Promise<Pushed | undefined>, blob: Descriptor): Promise<void> {
    const pushed = await sent;
    if (pushed === undefined) await this.#blob(blob);
    else this.#counts[pushed] += 1;
  }

  /** Pushes an image and gives it its tag. Throws as {@link pushImage}. */
  async image({ tag, descriptor, referrers = [] }: PushedImage): Promise<PushResult> {
    const named = tag ?? descriptor.digest;
    if ((await this.#repository.head(named))?.digest === descriptor.digest) this.#counts.there += 1;
    else await this.#send(descriptor, named);
    for (const item of referrers) await this.ensure(item);
    return { descriptor, counts: { ...this.#counts } };
  }

  /** What fails is told to whoever waits for it, and may be before anybody does. */
  #remember(digest: string, pushed: Promise<void>): void {
    this.#pending.set(digest, pushed);
    pushed.catch(() => undefined);
  }

  async #blob(item: Descriptor): Promise<void> {
    if (staysElsewhere(item)) return;
    this.#counts[await uploadBlob({ ...this.#target, descriptor: item })] += 1;
  }

  async #document(item: Descriptor): Promise<void> {
    if ((await this.#repository.head(item.digest)) === undefined) await this.#send(item, item.digest);
    else this.#counts.there += 1;
  }

  async #send(item: Descriptor, reference: string): Promise<void> {
    const { source } = this.#target;
    const children = await childrenOf(source, item);
    const done = await Promise.allSettled(children.map((child) => this.ensure(child)));
    const failed = done.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    this.#counts.uploaded += 1;
    const { mediaType } = item;
    const answer = await putManifest(this.#repository, {
      ...{ reference, mediaType, bytes: await readContent(await source.blob(item)) },
      doing: `push the manifest ${this.#repository.label}:${reference}`,
    });
    if (headerOf(answer, "oci-subject") === undefined) await listByTag(this.#repository, source, item);
  }
}

/** Lists a manifest or index by what it speaks of, for registries without the referrers API. */
async function listByTag(repository: Repository, source: BlobSource, item: Descriptor): Promise<void> {
  const document = await (isIndexType(item.mediaType) ? readIndex(source, item) : readManifest(source, item));
  const { subject, annotations } = document;
  if (subject === undefined) return;
  const artifactType =
    document.artifactType ?? ("config" in document ? document.config.mediaType : undefined);
  const entry: Descriptor = {
    ...{ mediaType: item.mediaType, digest: item.digest, size: item.size },
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  await changeListedByTag(repository, subject.digest as Digest, (listed) =>
    listed.some(({ digest }) => digest === item.digest) ? undefined : [...listed, entry],
  );
}
