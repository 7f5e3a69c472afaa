import { headerOf, resumed } from "../http/index.ts";
import { type BlobSource, type Descriptor, isIndexType, isManifestType, mediaTypes } from "../image/index.ts";
import {
  type ByteRange,
  bytesContent,
  type Content,
  type Digest,
  isDigest,
  readContent,
  verified,
} from "../io/index.ts";
import { pagesOf } from "./pages.ts";
import { type FetchedManifest, mismatch, provenManifest, typeOf } from "./proven-manifest.ts";
import { referrersOf } from "./referrers.ts";
import type { Session } from "./session.ts";

/** From so many bytes on, a blob is read over a connection of its own, into memory that is used again. */
export const bulkSize = 8 * 1024 * 1024;

/** What is asked for when a manifest is. */
const accepted = [
  mediaTypes.index,
  mediaTypes.manifest,
  mediaTypes.dockerIndex,
  mediaTypes.dockerManifest,
].join(", ");

// A configuration, which is read before an image is pulled and with it: small blobs are asked for once.
const keptSize = 64 * 1024;
const mostKept = 64;

const tagShape = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/**
 * One repository of a registry, for reading (distribution-spec 1.1, "Pull" and "Content Discovery").
 * As a {@link BlobSource} it streams: but for documents nothing is kept, and a broken transfer goes on where it broke.
 */
export class Repository implements BlobSource {
  readonly session: Session;
  /** Below the registry: `library/debian`. */
  readonly name: string;
  /** Ends everything that is asked here. */
  readonly signal: AbortSignal;
  readonly #manifests = new Map<string, Promise<FetchedManifest>>();
  readonly #kept = new Map<string, Promise<Uint8Array>>();

  constructor(session: Session, name: string, signal: AbortSignal) {
    this.session = session;
    this.name = name;
    this.signal = signal;
  }

  /** As a person would write it. */
  get label(): string {
    return `${this.session.host}/${this.name}`;
  }

  get pulling(): readonly string[] {
    return [`repository:${this.name}:pull`];
  }

  /**
   * The manifest or index that a tag or digest names.
   *
   * @throws WhittleError `NOT_FOUND`, `DIGEST_MISMATCH`, `IMAGE_INVALID`
   */
  async manifest(reference: string): Promise<FetchedManifest> {
    const known = isDigest(reference) ? this.#manifests.get(reference) : undefined;
    if (known !== undefined) return known;
    const fetched = this.#fetchManifest(reference);
    if (isDigest(reference)) this.#remember(reference, fetched);
    const found = await fetched;
    this.#remember(found.descriptor.digest, fetched);
    return found;
  }

  /**
   * What a tag or digest names without its bytes; nothing where the registry has none of that name.
   *
   * @param asked - `attempts`: fewer than usual, where somebody else can be asked
   */
  async head(reference: string, asked: { readonly attempts?: number } = {}): Promise<Descriptor | undefined> {
    const doing = `look for ${this.#named(reference)}`;
    const { answer } = await this.session.request({
      ...{ method: "HEAD", path: `${this.name}/manifests/${reference}`, scopes: this.pulling, doing },
      ...{ headers: { accept: accepted }, expected: [200, 404], signal: this.signal, ...asked },
    });
    await answer.body.dump();
    const digest = headerOf(answer, "docker-content-digest") ?? (isDigest(reference) ? reference : undefined);
    const size = Number(headerOf(answer, "content-length"));
    if (answer.statusCode === 404) return undefined;
    // A server that does not tell is asked for the whole.
    if (digest === undefined || !isDigest(digest) || !Number.isSafeInteger(size)) {
      return (await this.manifest(reference)).descriptor;
    }
    return { mediaType: typeOf(headerOf(answer, "content-type")), digest, size };
  }

  async blob(descriptor: Descriptor): Promise<Content> {
    const { digest } = descriptor;
    const { size, open } = await this.#content(descriptor, false);
    return {
      ...{ size, digest },
      open: (range) => {
        const whole = range === undefined || (range.start <= 0 && range.end >= size);
        return whole ? this.#proved(open(), { digest, size }) : open(range);
      },
    };
  }

  /**
   * A blob as it comes, for a reader that proves it itself, and is done with a piece of it when it asks for the next;
   * of the promised size all the same.
   */
  unproved(descriptor: Descriptor): Promise<Content> {
    return this.#content(descriptor, true);
  }

  async #content(descriptor: Descriptor, piecewise: boolean): Promise<Content> {
    const { digest, mediaType, size } = descriptor;
    if (isIndexType(mediaType) || isManifestType(mediaType)) {
      const { bytes } = await this.manifest(digest);
      if (bytes.length !== size) throw mismatch(digest, `${bytes.length} bytes`);
      return bytesContent(bytes, digest);
    }
    if (size <= keptSize) return bytesContent(await this.#whole(descriptor), digest);
    return { size, digest, open: (range) => this.#open(descriptor, piecewise, range) };
  }

  #proved(
    bytes: AsyncIterable<Uint8Array>,
    { digest, size }: Pick<Descriptor, "digest" | "size">,
  ): AsyncIterable<Uint8Array> {
    return verified(bytes, { what: `the blob ${digest} of ${this.label}`, digest, size });
  }

  /** All bytes of a small blob, proved. */
  async #whole(descriptor: Descriptor): Promise<Uint8Array> {
    const { size, digest } = descriptor;
    const known = this.#kept.get(digest);
    if (known !== undefined) return known;
    const open = () => this.#proved(this.#open(descriptor, false), descriptor);
    const fetched = readContent({ size, digest, open });
    if (this.#kept.size >= mostKept) this.#kept.clear();
    this.#kept.set(digest, fetched);
    fetched.catch(() => this.#kept.delete(digest));
    return fetched;
  }

  /**
   * All tags, page after page; each can be printed, being made of a tag's characters only.
   *
   * @throws WhittleError `ARCHIVE_HOSTILE` when there is no end of them
   */
  async *tags(): AsyncGenerator<string, void, undefined> {
    const doing = `list the tags of ${this.label}`;
    const list = { session: this.session, scopes: this.pulling, doing, signal: this.signal };
    for await (const page of pagesOf({ ...list, first: `${this.name}/tags/list?n=1000` })) {
      const { tags } = (page ?? {}) as { tags?: unknown };
      for (const tag of Array.isArray(tags) ? tags : []) {
        if (typeof tag === "string" && tagShape.test(tag)) yield tag;
      }
    }
  }

  /** The manifests that speak of a subject: from the referrers API, else from the tag that stands in for it. */
  referrers(subject: Digest, artifactType?: string): Promise<readonly Descriptor[]> {
    return referrersOf(this, subject, artifactType);
  }

  async #fetchManifest(reference: string): Promise<FetchedManifest> {
    const doing = `read the manifest of ${this.#named(reference)}`;
    const { answer, bytes } = await this.session.document({
      ...{ method: "GET", path: `${this.name}/manifests/${reference}`, scopes: this.pulling, doing },
      ...{ headers: { accept: accepted }, expected: [200], signal: this.signal },
    });
    return provenManifest(answer, bytes, { reference, doing });
  }

  async *#open(
    descriptor: Descriptor,
    piecewise: boolean,
    range?: ByteRange,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { digest, size } = descriptor;
    const start = Math.min(range?.start ?? 0, size);
    const end = Math.min(range?.end ?? size, size);
    const doing = `download the blob ${digest} of ${this.label}`;
    yield* resumed({
      ...{ doing, size: end, from: start, policy: this.session.policy, signal: this.signal },
      acquire: this.session.places.in.acquire,
      request: async (at) => {
        const bounded = end < size ? String(end - 1) : "";
        const { answer } = await this.session.once({
          ...{ method: "GET", path: `${this.name}/blobs/${digest}`, scopes: this.pulling, doing },
          headers: at === 0 && end === size ? {} : { range: `bytes=${at}-${bounded}` },
          ...{ expected: [200, 206], signal: this.signal, bulk: piecewise && end - at >= bulkSize },
        });
        return answer;
      },
      otherLength: (found) => mismatch(digest, `something else: ${found}`),
    });
  }

  #remember(digest: string, fetched: Promise<FetchedManifest>): void {
    this.#manifests.set(digest, fetched);
    fetched.catch(() => this.#manifests.delete(digest));
  }

  #named(reference: string): string {
    return isDigest(reference) ? `${this.label}@${reference}` : `${this.label}:${reference}`;
  }
}
