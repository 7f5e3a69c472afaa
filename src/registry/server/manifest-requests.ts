import { createHash } from "node:crypto";
import {
  type Descriptor,
  isIndexType,
  isManifestType,
  mediaTypes,
  parseManifestOrIndex,
  staysElsewhere,
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
import type { Documents } from "./documents.ts";
import { answer, answerJson, type Exchange, requestHeader } from "./exchange.ts";
import { Refused } from "./refused.ts";
import { tagOf } from "./route.ts";
import type { Transfers } from "./transfers.ts";

// A person gives a few; each is a line of index.json.
const mostTags = 64;

/** What taking a manifest needs of the registry. */
export interface TakeParts {
  readonly store: Store;
  readonly transfers: Transfers;
  readonly documents: Documents;
}

/** GET and HEAD of a manifest. */
export async function sendManifest(
  exchange: Exchange,
  repository: string,
  reference: string,
  { store, transfers }: Pick<TakeParts, "store" | "transfers">,
  contents: Contents,
): Promise<void> {
  const found = await contents.find(repository, reference);
  if (found === undefined) {
    throw (await contents.tags(repository)) === undefined
      ? new Refused("NAME_UNKNOWN", `there is no repository ${repository}`)
      : new Refused("MANIFEST_UNKNOWN", `${repository} has no manifest ${reference}`);
  }
  // Whoever was given it is going to pull what it leads to, whatever becomes of its name meanwhile.
  await transfers.expect(repository, [found.digest]);
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
  { store, transfers, documents }: TakeParts,
): Promise<void> {
  const tags = isDigest(reference) ? exchange.query.getAll("tag").map(tagOf) : [reference];
  if (tags.length > mostTags)
    throw new Refused("MANIFEST_INVALID", `at most ${mostTags} tags are taken at once`);
  const taken = await documents.take(exchange, async (bytes) => {
    const digest = isDigest(reference) ? reference : sha256(bytes);
    if (createHash(digestAlgorithm(digest)).update(bytes).digest("hex") !== digestHex(digest)) {
      throw new Refused(
        "DIGEST_INVALID",
        "the manifest's bytes do not have the digest under which they are pushed",
      );
    }
    const { mediaType, subject, wanted } = parse(exchange, bytes, digest);
    const descriptor = { mediaType, digest, size: bytes.length };
    // Nothing is kept for whom names what is not here; what is here, is to stay from the moment of the second look.
    await mustFit(wanted, store);
    const named = [digest, ...wanted.keys()];
    await transfers.expect(repository, named);
    await mustHaveAll(wanted.keys(), store);
    await store.add(single(bytes), { digest, size: bytes.length });
    await keep(repository, descriptor, tags, store).catch(async (error: unknown) => {
      // Another client may have deleted something of it at this very moment.
      await mustHaveAll(wanted.keys(), store);
      throw error;
    });
    transfers.named(repository, named);
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
      { allow: "GET, HEAD, PUT" },
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

/** What a manifest is, and whose it says to be; of what it names, what has to be here, each once with its size. */
function parse(
  exchange: Exchange,
  bytes: Buffer,
  digest: Digest,
): {
  readonly mediaType: string;
  readonly subject: Digest | undefined;
  readonly wanted: ReadonlyMap<Digest, number>;
} {
  const told = requestHeader(exchange, "content-type")?.split(";", 1)[0]?.trim() ?? "";
  try {
    const { mediaType, document } = parseManifestOrIndex(bytes, `the manifest ${digest}`, (stated) =>
      typeOf(told, stated),
    );
    const children = "config" in document ? [document.config, ...document.layers] : document.manifests;
    // What may not be handed on stays where its addresses say.
    const wanted = sizesOf(children.filter((child) => !staysElsewhere(child)));
    return { mediaType, subject: document.subject?.digest, wanted };
  } catch (error) {
    if (error instanceof WhittleError) throw new Refused("MANIFEST_INVALID", error.message);
    throw error;
  }
}

/** The media type of a document: what it says itself and what its header says have to be the same. */
function typeOf(told: string, stated: string | undefined): string {
  if (stated !== undefined && told !== "" && stated !== told) {
    throw new Refused(
      "MANIFEST_INVALID",
      `the manifest says that it is ${stated.slice(0, 100)}, its header ${told.slice(0, 100)}`,
    );
  }
  const mediaType = stated ?? told;
  if (!isManifestType(mediaType) && !isIndexType(mediaType)) {
    throw new Refused(
      "MANIFEST_INVALID",
      `${mediaType.slice(0, 100) || "nothing"} is no media type of a manifest`,
    );
  }
  return mediaType;
}

/** @throws Refused `MANIFEST_INVALID` when something is said to have two sizes */
function sizesOf(children: readonly Descriptor[]): ReadonlyMap<Digest, number> {
  const sizes = new Map<Digest, number>();
  for (const { digest, size } of children) {
    const before = sizes.get(digest) ?? size;
    if (before !== size) throw otherSize(digest, size, before);
    sizes.set(digest, size);
  }
  return sizes;
}

/** What is named has to be here, and to have the size that it is said to have: nobody could pull it otherwise. */
async function mustFit(wanted: ReadonlyMap<Digest, number>, store: Store): Promise<void> {
  for (const [digest, size] of wanted) {
    const file = await store.file(digest);
    if (file === undefined) throw missing(digest);
    if (file.size !== size) throw otherSize(digest, size, file.size);
  }
}

async function mustHaveAll(wanted: Iterable<Digest>, store: Store): Promise<void> {
  for (const digest of wanted) if (!(await store.has(digest))) throw missing(digest);
}

function missing(digest: Digest): Refused {
  const found = `the manifest names ${digest}, which is not here`;
  return new Refused("MANIFEST_BLOB_UNKNOWN", found, {}, { digest });
}

function otherSize(digest: Digest, said: number, size: number): Refused {
  const found = `the manifest says that ${digest} has ${said} bytes, it has ${size}`;
  return new Refused("MANIFEST_INVALID", found, {}, { digest });
}

async function* single(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
