import { headerOf, resumed } from "../http/index.ts";
import {
  type BlobSource,
  type Descriptor,
  documentLimits,
  isIndexType,
  isManifestType,
  mediaTypes,
} from "../image/index.ts";
import {
  type ByteRange,
  bytesContent,
  type Content,
  type Digest,
  isDigest,
  sha256,
  verified,
  WhittleError,
} from "../io/index.ts";
import type { Session } from "./session.ts";

/** What is asked for when a manifest is. */
const accepted = [
  mediaTypes.index,
  mediaTypes.manifest,
  mediaTypes.dockerIndex,
  mediaTypes.dockerManifest,
].join(", ");

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
  readonly #signal: AbortSignal;
  readonly #manifests = new Map<string, Promise<FetchedManifest>>();

  constructor(session: Session, name: string, signal: AbortSignal) {
    this.session = session;
    this.name = name;
    this.#signal = signal;
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
      ...{ headers: { accept: accepted }, expected: [200, 404], signal: this.#signal },
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
    const { digest, mediaType, size } = descriptor;
    if (isIndexType(mediaType) || isManifestType(mediaType)) {
      const { bytes } = await this.manifest(digest);
      if (bytes.length !== size) throw mismatch(descriptor, `${bytes.length} bytes`);
      return bytesContent(bytes, digest);
    }
    return { size, digest, open: (range) => this.#open(descriptor, range) };
  }

  /** All tags, page after page. */
  async *tags(): AsyncGenerator<string, void, undefined> {
    let path: string | undefined = `${this.name}/tags/list?n=1000`;
    const seen = new Set<string>();
    while (path !== undefined && !seen.has(path)) {
      seen.add(path);
      const page = await this.#json(path, `list the tags of ${this.label}`);
      const { tags } = page.document as { tags?: unknown };
      for (const tag of Array.isArray(tags) ? tags : []) if (typeof tag === "string") yield tag;
      path = page.next;
    }
  }

  /** The manifests that speak of a subject: from the referrers API, else from the tag that stands in for it. */
  async referrers(subject: Digest, artifactType?: string): Promise<readonly Descriptor[]> {
    const { document } = await this.#json(
      `${this.name}/referrers/${subject}`,
      `list what speaks of ${subject}`,
      [200, 400, 404, 405],
    );
    const index = document ?? (await this.#referrersTag(subject));
    const found = (index as { manifests?: unknown } | undefined)?.manifests;
    const list = (Array.isArray(found) ? found : []) as Descriptor[];
    return list.filter(
      (item) =>
        isDigest(item?.digest ?? "") && (artifactType === undefined || item.artifactType === artifactType),
    );
  }

  async #referrersTag(subject: Digest): Promise<unknown> {
    const tag = referrersTag(subject);
    if ((await this.head(tag)) === undefined) return undefined;
    return JSON.parse((await this.manifest(tag)).bytes.toString("utf8"));
  }

  async #json(
    path: string,
    doing: string,
    expected: readonly number[] = [200],
  ): Promise<{ readonly document?: unknown; readonly next?: string }> {
    const { answer, address } = await this.session.request({
      ...{ method: "GET", path, scopes: this.pulling, doing, expected, signal: this.#signal },
    });
    const text = await limitedBody(answer.body, doing);
    if (answer.statusCode !== 200) return {};
    try {
      const next = nextPage(headerOf(answer, "link"), address);
      return { document: JSON.parse(text.toString("utf8")), ...(next === undefined ? {} : { next }) };
    } catch {
      throw new WhittleError("REGISTRY_REFUSED", `Cannot ${doing}: the answer is not JSON`);
    }
  }

  async #fetchManifest(reference: string): Promise<FetchedManifest> {
    const doing = `read the manifest of ${this.#named(reference)}`;
    const { answer } = await this.session.request({
      ...{ method: "GET", path: `${this.name}/manifests/${reference}`, scopes: this.pulling, doing },
      ...{ headers: { accept: accepted }, expected: [200], signal: this.#signal },
    });
    const bytes = await limitedBody(answer.body, doing);
    const digest = sha256(bytes);
    const promised = isDigest(reference) ? reference : headerOf(answer, "docker-content-digest");
    if (promised?.startsWith("sha256:") === true && promised !== digest) {
      throw mismatch({ mediaType: "", digest: promised as Digest, size: 0 }, `the digest ${digest}`);
    }
    const mediaType = manifestType(headerOf(answer, "content-type"), bytes);
    if (!isIndexType(mediaType) && !isManifestType(mediaType)) {
      throw new WhittleError("IMAGE_INVALID", `Cannot ${doing}: it is ${mediaType}, which is no image`, {
        hint: "images of Docker's schema 1 have to be converted by the registry that holds them",
      });
    }
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
  }

  async *#open(descriptor: Descriptor, range?: ByteRange): AsyncGenerator<Uint8Array, void, undefined> {
    const { digest, size } = descriptor;
    const start = Math.min(range?.start ?? 0, size);
    const end = Math.min(range?.end ?? size, size);
    const whole = start === 0 && end === size;
    const doing = `download the blob ${digest} of ${this.label}`;
    const stream = resumed({
      ...{ doing, size: end, from: start, policy: this.session.policy, signal: this.#signal },
      acquire: this.session.places.acquire,
      request: async (at) => {
        const bounded = end < size ? String(end - 1) : "";
        const { answer } = await this.session.once({
          ...{ method: "GET", path: `${this.name}/blobs/${digest}`, scopes: this.pulling, doing },
          headers: at === 0 && end === size ? {} : { range: `bytes=${at}-${bounded}` },
          ...{ expected: [200, 206], signal: this.#signal },
        });
        return answer;
      },
      otherLength: (found) => mismatch(descriptor, found),
    });
    yield* whole ? verified(stream, { what: `the blob ${digest} of ${this.label}`, digest, size }) : stream;
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

async function limitedBody(body: AsyncIterable<Uint8Array>, doing: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > documentLimits.bytes) {
      throw new WhittleError(
        "ARCHIVE_HOSTILE",
        `Cannot ${doing}: the answer is longer than ${documentLimits.bytes} bytes`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function mismatch({ digest }: Descriptor, found: string): WhittleError {
  return new WhittleError("DIGEST_MISMATCH", `Cannot accept ${digest}: the registry sent ${found}`, {
    hint: "the bytes were damaged on the way, or the registry is damaged; try again",
  });
}
