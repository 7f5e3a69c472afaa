import { createHash } from "node:crypto";
import { type Answer, headerOf } from "../http/index.ts";
import { type Descriptor, isIndexType, isManifestType, mediaTypes } from "../image/index.ts";
import { type Digest, digestAlgorithm, isDigest, sha256, WhittleError } from "../io/index.ts";

/** A manifest as a registry gave it, its bytes proved against its digest. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/**
 * The manifest in an answer, which has the digest that was asked for, or else that which the answer names.
 *
 * @throws WhittleError `DIGEST_MISMATCH`, `IMAGE_INVALID`
 */
export function provenManifest(
  answer: Answer,
  bytes: Buffer,
  { reference, doing }: { readonly reference: string; readonly doing: string },
): FetchedManifest {
  const promised = isDigest(reference) ? reference : headerOf(answer, "docker-content-digest");
  const digest = isDigest(promised ?? "") ? digestLike(promised as Digest, bytes) : sha256(bytes);
  if (promised !== undefined && promised !== digest) throw mismatch(promised, `the digest ${digest}`);
  const mediaType = manifestType(headerOf(answer, "content-type"), bytes);
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) {
    const isOld = mediaType.startsWith("application/vnd.docker.distribution.manifest.v1");
    throw new WhittleError(
      "IMAGE_INVALID",
      `Cannot ${doing}: it is ${mediaType || "nothing known"}, which is no image`,
      {
        hint: isOld
          ? "images of Docker's schema 1 have to be converted by the registry that holds them"
          : "check the address: what answers there may be no registry",
      },
    );
  }
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
}

/** The error for bytes that are not what a digest names. */
export function mismatch(digest: string, found: string): WhittleError {
  return new WhittleError("DIGEST_MISMATCH", `Cannot accept ${digest}: the registry sent ${found}`, {
    hint: "the bytes were damaged on the way, or the registry is damaged; try again",
  });
}

/** The type of a Content-Type header, without its parameters. */
export function typeOf(header: string | undefined): string {
  return (header ?? "").split(";", 1)[0]?.trim() ?? "";
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
