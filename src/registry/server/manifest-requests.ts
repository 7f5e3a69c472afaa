import { createHash } from "node:crypto";
import {
  childrenOf,
  type Descriptor,
  isIndexType,
  isManifestType,
  mediaTypes,
  readIndex,
  readManifest,
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
import type { Contents } from "./contents.ts";
import { answer, answerJson, documentBody, type Exchange, requestHeader } from "./exchange.ts";
import { Refused } from "./refused.ts";

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
  const headers = {
    "content-type": found.mediaType,
    "docker-content-digest": found.digest,
    etag: `"${found.digest}"`,
  };
  if (requestHeader(exchange, "if-none-match")?.includes(found.digest) === true) {
    exchange.response.writeHead(304, headers).end();
    return;
  }
  answer(exchange, 200, headers, await readContent(await store.blob(found)));
}

/** PUT of a manifest: everything that it names has to be here, but not its subject. */
export async function takeManifest(
  exchange: Exchange,
  repository: string,
  reference: string,
  store: Store,
): Promise<void> {
  const bytes = await documentBody(exchange);
  const digest = isDigest(reference) ? reference : sha256(bytes);
  if (createHash(digestAlgorithm(digest)).update(bytes).digest("hex") !== digestHex(digest)) {
    throw new Refused(
      "DIGEST_INVALID",
      "the manifest's bytes do not have the digest under which they are pushed",
    );
  }
  const descriptor = { mediaType: typeOf(exchange, bytes), digest, size: bytes.length };
  await store.add(single(bytes), { digest, size: bytes.length });
  const subject = await subjectOf(descriptor, store);
  await mustHaveAll(descriptor, store);
  await store.hold(repository, descriptor);
  if (!isDigest(reference)) await store.tag(`${repository}:${reference}`, descriptor);
  answer(exchange, 201, {
    location: `/v2/${repository}/manifests/${digest}`,
    "docker-content-digest": digest,
    ...(subject === undefined ? {} : { "oci-subject": subject }),
  });
}

/** DELETE of a manifest by digest, or of a tag. */
export async function deleteManifest(
  exchange: Exchange,
  repository: string,
  reference: string,
  contents: Contents,
): Promise<void> {
  const removed = isDigest(reference)
    ? await contents.remove(repository, reference)
    : await contents.untag(repository, reference);
  if (!removed) throw new Refused("MANIFEST_UNKNOWN", `${repository} has no manifest ${reference}`);
  answer(exchange, 202);
}

/** The manifests that speak of a subject (distribution-spec, "Listing Referrers"). */
export async function listReferrers(exchange: Exchange, subject: Digest, store: Store): Promise<void> {
  const artifactType = exchange.query.get("artifactType") ?? undefined;
  const manifests = await store.referrers(subject, artifactType);
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

async function subjectOf(descriptor: Descriptor, store: Store): Promise<Digest | undefined> {
  try {
    const document = isIndexType(descriptor.mediaType)
      ? await readIndex(store, descriptor)
      : await readManifest(store, descriptor);
    return document.subject?.digest;
  } catch (error) {
    if (error instanceof WhittleError) throw new Refused("MANIFEST_INVALID", error.message);
    throw error;
  }
}

async function mustHaveAll(descriptor: Descriptor, store: Store): Promise<void> {
  for (const child of await childrenOf(store, descriptor)) {
    // What may not be handed on stays where its addresses say.
    if ((child.urls ?? []).length > 0 || (await store.has(child.digest))) continue;
    throw new Refused("MANIFEST_BLOB_UNKNOWN", `the manifest names ${child.digest}, which is not here`);
  }
}

async function* single(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
