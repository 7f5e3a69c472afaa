import { createHash } from "node:crypto";
import {
  type Descriptor,
  isIndexType,
  isManifestType,
  mediaTypes,
  parseIndex,
  parseManifest,
} from "../../image/index.ts";
import {
  type Digest,
  digestAlgorithm,
  digestHex,
  isDigest,
  readContent,
  sha256,
  WhittleError,
} from "../../io/index.ts";
import type { Store } from "../../store/index.ts";
import { entityTag, isKnown } from "./conditions.ts";
import type { Contents } from "./contents.ts";
import { answer, answerJson, documentBody, type Exchange, requestHeader } from "./exchange.ts";
import type { Pushes } from "./pushes.ts";
import { Refused } from "./refused.ts";
import { tagOf } from "./route.ts";
import type { Turns } from "./turns.ts";

// A person gives a few; each is a line of index.json.
const mostTags = 64;

/** What taking a manifest needs of the registry. */
export interface TakeParts {
  readonly store: Store;
  readonly pushes: Pushes;
  /** Documents are held in memory, so a few of them at a time. */
  readonly documents: Turns;
}

/** GET and HEAD of a manifest. */
export async function sendManifest(
  exchange: Exchange,
  repository: string,
  reference: string,
  store: Store,
  contents: Contents,
): Promise<void> {
  const found = await contents.find(repository, reference);
  if (found === undefined) {
    throw (await contents.tags(repository)) === undefined
      ? new Refused("NAME_UNKNOWN", `there is no repository ${repository}`)
      : new Refused("MANIFEST_UNKNOWN", `${repository} has no manifest ${reference}`);
  }
  // Whoever was given it is going to pull what it leads to, whatever becomes of its name meanwhile.
  await store.lease([found.digest]);
  const headers = {
    "content-type": found.mediaType,
    "docker-content-digest": found.digest,
    etag: entityTag(found.digest),
  };
  if (isKnown(exchange, found.digest)) {
    exchange.response.writeHead(304, headers).end();
    return;
  }
  answer(exchange, 200, headers, await readContent(await store.blob(found)));
}

/** PUT of a manifest, by tag, or by digest with tags as parameters: everything that it names has to be here, but not its subject. */
export async function takeManifest(
  exchange: Exchange,
  repository: string,
  reference: string,
  { store, pushes, documents }: TakeParts,
): Promise<void> {
  const tags = isDigest(reference) ? exchange.query.getAll("tag").map(tagOf) : [reference];
  if (tags.length > mostTags)
    throw new Refused("MANIFEST_INVALID", `at most ${mostTags} tags are taken at once`);
  const taken = await documents.take(async () => {
    const bytes = await documentBody(exchange);
    const digest = isDigest(reference) ? reference : sha256(bytes);
    if (createHash(digestAlgorithm(digest)).update(bytes).digest("hex") !== digestHex(digest)) {
      throw new Refused(
        "DIGEST_INVALID",
        "the manifest's bytes do not have the digest under which they are pushed",
      );
    }
    const descriptor = { mediaType: typeOf(exchange, bytes), digest, size: bytes.length };
    const { subject, children } = parse(descriptor, bytes);
    await pushes.expect(repository, [digest, ...children.map((child) => child.digest)]);
    await mustHaveAll(children, store);
    await store.add(single(bytes), { digest, size: bytes.length });
    await keep(repository, descriptor, tags, store);
    pushes.named(repository, [digest, ...children.map((child) => child.digest)]);
    return { digest, subject };
  });
  answer(exchange, 201, {
    location: `/v2/${repository}/manifests/${taken.digest}`,
    "docker-content-digest": taken.digest,
    ...(taken.subject === undefined ? {} : { "oci-subject": taken.subject }),
    ...(isDigest(reference) && tags.length > 0 ? { "oci-tag": tags.join(", ") } : {}),
  });
}

async function keep(
  repository: string,
  descriptor: Descriptor,
  tags: readonly string[],
  store: Store,
): Promise<void> {
  try {
    await store.hold(repository, descriptor, tags);
  } catch (error) {
    if (!(error instanceof WhittleError)) throw error;
    if (error.code === "IMAGE_INVALID") throw new Refused("MANIFEST_INVALID", error.message);
    if (error.code === "STORE_FULL")
      throw new Refused("DENIED", "this registry has as many tags as it can have");
    throw error;
  }
}

/** DELETE of a manifest by digest, or of a tag. */
export async function deleteManifest(
  exchange: Exchange,
  repository: string,
  reference: string,
  contents: Contents,
): Promise<void> {
  if (isDigest(reference) && (await contents.isInside(repository, reference))) {
    throw new Refused(
      "UNSUPPORTED",
      "an index of this repository names this manifest: it is to be deleted first",
    );
  }
  const removed = isDigest(reference)
    ? await contents.remove(repository, reference)
    : await contents.untag(repository, reference);
  if (!removed) throw new Refused("MANIFEST_UNKNOWN", `${repository} has no manifest ${reference}`);
  answer(exchange, 202);
}

/** The manifests that speak of a subject (distribution-spec, "Listing Referrers"). */
export async function listReferrers(
  exchange: Exchange,
  repository: string,
  subject: Digest,
  store: Store,
): Promise<void> {
  const artifactType = exchange.query.get("artifactType") ?? undefined;
  const manifests = await store.referrers(subject, artifactType, repository);
  const document = { schemaVersion: 2, mediaType: mediaTypes.index, manifests };
  answerJson(exchange, document, {
    "content-type": mediaTypes.index,
    ...(artifactType === undefined ? {} : { "oci-filters-applied": "artifactType" }),
  });
}

function typeOf(exchange: Exchange, bytes: Buffer): string {
  const told = requestHeader(exchange, "content-type")?.split(";", 1)[0]?.trim() ?? "";
  let inside: unknown;
  try {
    inside = (JSON.parse(bytes.toString("utf8")) as { mediaType?: unknown } | null)?.mediaType;
  } catch {
    throw new Refused("MANIFEST_INVALID", "the manifest is not JSON");
  }
  if (typeof inside === "string" && told !== "" && inside !== told) {
    throw new Refused(
      "MANIFEST_INVALID",
      `the manifest says that it is ${inside.slice(0, 100)}, its header ${told.slice(0, 100)}`,
    );
  }
  const mediaType = typeof inside === "string" ? inside : told;
  if (!isManifestType(mediaType) && !isIndexType(mediaType)) {
    throw new Refused(
      "MANIFEST_INVALID",
      `${mediaType.slice(0, 100) || "nothing"} is no media type of a manifest`,
    );
  }
  return mediaType;
}

function parse(
  { mediaType, digest }: Descriptor,
  bytes: Buffer,
): { readonly subject: Digest | undefined; readonly children: readonly Descriptor[] } {
  try {
    if (isIndexType(mediaType)) {
      const { subject, manifests } = parseIndex(bytes, `the index ${digest}`);
      return { subject: subject?.digest, children: manifests };
    }
    const { subject, config, layers } = parseManifest(bytes, `the manifest ${digest}`, { bare: true });
    return { subject: subject?.digest, children: [config, ...layers] };
  } catch (error) {
    if (error instanceof WhittleError) throw new Refused("MANIFEST_INVALID", error.message);
    throw error;
  }
}

async function mustHaveAll(children: readonly Descriptor[], store: Store): Promise<void> {
  for (const child of children) {
    // What may not be handed on stays where its addresses say.
    if ((child.urls ?? []).length > 0 || (await store.has(child.digest))) continue;
    const { digest } = child;
    throw new Refused(
      "MANIFEST_BLOB_UNKNOWN",
      `the manifest names ${digest}, which is not here`,
      {},
      { digest },
    );
  }
}

async function* single(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
