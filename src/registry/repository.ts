import { createHash } from "node:crypto";
import { headerOf, resumed } from "../http/index.ts";
import { type BlobSource, type Descriptor, isIndexType, isManifestType, mediaTypes } from "../image/index.ts";
import {
  type ByteRange,
  bytesContent,
  type Content,
  type Digest,
  digestAlgorithm,
  isDigest,
  sha256,
  verified,
  WhittleError,
} from "../io/index.ts";
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

// What a registry without the referrers API answers.
const noReferrersApi = [400, 404, 405];
// At a thousand tags each, more than any repository has.
const mostPages = 1000;
const tagShape = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** A manifest as a registry gave it, its bytes proved against its digest. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/**
 * One repository of a registry, for reading (distribution-spec 1.1, "Pull" and "Content Discovery").
 * As a {@link BlobSource} it streams: nothing is kept, and a broken transfer goes on where it broke.
 */
export class Repository implements BlobSource {
  readonly session: Session;
  /** Below the registry: `library/debian`. */
  readonly name: string;
  /** Ends everything that is asked here. */
  readonly signal: AbortSignal;
  readonly #manifests = new Map<string, Promise<FetchedManifest>>();

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

  /** What a tag or digest names without its bytes; nothing where the registry has none of that name. */
  async head(reference: string): Promise<Descriptor | undefined> {
    const doing = `look for ${this.#named(reference)}`;
    const { answer } = await this.session.request({
      ...{ method: "HEAD", path: `${this.name}/manifests/${reference}`, scopes: this.pulling, doing },
      ...{ headers: { accept: accepted }, expected: [200, 404], signal: this.signal },
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
    const what = `the blob ${digest} of ${this.label}`;
    return {
      ...{ size, digest },
      open: (range) => {
        const whole = range === undefined || (range.start <= 0 && range.end >= size);
        return whole ? verified(open(), { what, digest, size }) : open(range);
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
    return { size, digest, open: (range) => this.#open(descriptor, piecewise, range) };
  }

  /**
   * All tags, page after page; each can be printed, being made of a tag's characters only.
   *
   * @throws WhittleError `ARCHIVE_HOSTILE` when there is no end of them
   */
  async *tags(): AsyncGenerator<string, void, undefined> {
    const doing = `list the tags of ${this.label}`;
    for await (const page of this.#pages(`${this.name}/tags/list?n=1000`, doing)) {
      const { tags } = (page ?? {}) as { tags?: unknown };
      for (const tag of Array.isArray(tags) ? tags : []) {
        if (typeof tag === "string" && tagShape.test(tag)) yield tag;
      }
    }
  }

  /** The manifests that speak of a subject: from the referrers API, else from the tag that stands in for it. */
  async referrers(subject: Digest, artifactType?: string): Promise<readonly Descriptor[]> {
    const doing = `list what speaks of ${subject}`;
    const found: Descriptor[] = [];
    for await (const page of this.#pages(`${this.name}/referrers/${subject}`, doing, noReferrersApi)) {
      const { manifests } = (page ?? (await this.#referrersTag(subject)) ?? {}) as { manifests?: unknown };
      found.push(...((Array.isArray(manifests) ? manifests : []) as Descriptor[]));
    }
    return found.filter(
      (item) =>
        typeof item?.digest === "string" &&
        isDigest(item.digest) &&
        typeof item.mediaType === "string" &&
        Number.isSafeInteger(item.size) &&
        (artifactType === undefined || item.artifactType === artifactType),
    );
  }

  async #referrersTag(subject: Digest): Promise<unknown> {
    const tag = referrersTag(subject);
    if ((await this.head(tag)) === undefined) return undefined;
    return JSON.parse((await this.manifest(tag)).bytes.toString("utf8"));
  }

  /** The documents of a list, page after page; nothing in place of one whose status is among the `others`. */
  async *#pages(
    first: string,
    doing: string,
    others: readonly number[] = [],
  ): AsyncGenerator<unknown, void, undefined> {
    let path: string | undefined = first;
    for (let pages = 1; path !== undefined; pages++) {
      if (pages > mostPages) {
        throw new WhittleError(
          "ARCHIVE_HOSTILE",
          `Cannot ${doing}: the list has more than ${mostPages} pages`,
        );
      }
      const page: { readonly document?: unknown; readonly next?: string } = await this.#json(path, doing, [
        200,
        ...others,
      ]);
      yield page.document;
      path = page.next;
    }
  }

  async #json(
    path: string,
    doing: string,
    expected: readonly number[],
  ): Promise<{ readonly document?: unknown; readonly next?: string }> {
    const { answer, address, bytes } = await this.session.document({
      ...{ method: "GET", path, scopes: this.pulling, doing, expected, signal: this.signal },
    });
    if (answer.statusCode !== 200) return {};
    try {
      const next = nextPage(headerOf(answer, "link"), address);
      return { document: JSON.parse(bytes.toString("utf8")), ...(next === undefined ? {} : { next }) };
    } catch {
      throw new WhittleError("REGISTRY_REFUSED", `Cannot ${doing}: the answer is not JSON`);
    }
  }

  async #fetchManifest(reference: string): Promise<FetchedManifest> {
    const doing = `read the manifest of ${this.#named(reference)}`;
    const { answer, bytes } = await this.session.document({
      ...{ method: "GET", path: `${this.name}/manifests/${reference}`, scopes: this.pulling, doing },
      ...{ headers: { accept: accepted }, expected: [200], signal: this.signal },
    });
    const promised = isDigest(reference) ? reference : headerOf(answer, "docker-content-digest");
    const digest = isDigest(promised ?? "") ? digestLike(promised as Digest, bytes) : sha256(bytes);
    if (promised !== undefined && promised !== digest) throw mismatch(promised, `the digest ${digest}`);
    const mediaType = manifestType(headerOf(answer, "content-type"), bytes);
    if (!isIndexType(mediaType) && !isManifestType(mediaType)) {
      throw new WhittleError("IMAGE_INVALID", `Cannot ${doing}: it is ${mediaType}, which is no image`, {
        hint: "images of Docker's schema 1 have to be converted by the registry that holds them",
      });
    }
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
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
      otherLength: (found) => mismatch(digest, found),
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

/** The tag that lists what speaks of a digest where a registry has no referrers API (distribution-spec, "Referrers Tag Schema"). */
export function referrersTag(subject: Digest): string {
  return subject.replace(":", "-").slice(0, 128);
}

/** The digest of bytes by the algorithm of another digest. */
function digestLike(other: Digest, bytes: Uint8Array): Digest {
  const algorithm = digestAlgorithm(other);
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

/** The type of a manifest: what its own text says, else the header. */
function manifestType(header: string | undefined, bytes: Buffer): string {
  try {
    const { mediaType, manifests, config } = JSON.parse(bytes.toString("utf8")) as Record<string, unknown>;
    if (typeof mediaType === "string") return mediaType;
    const told = typeOf(header);
    if (isIndexType(told) || isManifestType(told)) return told;
    if (Array.isArray(manifests)) return mediaTypes.index;
    return config === undefined ? told : mediaTypes.manifest;
  } catch {
    return typeOf(header);
  }
}

function typeOf(header: string | undefined): string {
  return (header ?? "").split(";", 1)[0]?.trim() ?? "";
}

/** The address of the next page (RFC 8288), when it is on the same server. */
function nextPage(header: string | undefined, address: string): string | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(header ?? "")?.[1];
  if (target === undefined || !URL.canParse(target, address)) return undefined;
  const url = new URL(target, address);
  return url.origin === new URL(address).origin ? url.href : undefined;
}

function mismatch(digest: string, found: string): WhittleError {
  return new WhittleError("DIGEST_MISMATCH", `Cannot accept ${digest}: the registry sent ${found}`, {
    hint: "the bytes were damaged on the way, or the registry is damaged; try again",
  });
}
