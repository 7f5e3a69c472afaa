import { type Digest, isDigest } from "../../io/index.ts";
import { Refused } from "./refused.ts";

/** What a path of the distribution-spec asks for. */
export type Route =
  | { readonly kind: "base" | "catalog" | "metrics" | "health" | "token" }
  | { readonly kind: "manifest"; readonly repository: string; readonly reference: string }
  | { readonly kind: "blob"; readonly repository: string; readonly digest: Digest }
  | { readonly kind: "uploads"; readonly repository: string }
  | { readonly kind: "upload"; readonly repository: string; readonly session: string }
  | { readonly kind: "tags"; readonly repository: string }
  | { readonly kind: "referrers"; readonly repository: string; readonly digest: Digest };

// distribution-spec, "Pulling manifests".
const repositoryShape = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagShape = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const sessionShape = /^[0-9a-f]{32}$/;
const longestName = 255;
const pathShape = /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/(.*)$/;
const uploadShape = /^\/v2\/(.+)\/blobs\/uploads\/([^/]*)$/;

/**
 * Reads a path; nothing where it is none of ours.
 *
 * @throws Refused for a repository, tag, digest or session that is malformed
 */
export function routeOf(path: string): Route | undefined {
  const decoded = decode(path);
  if (decoded === undefined) return undefined;
  if (decoded === "/v2" || decoded === "/v2/") return { kind: "base" };
  if (decoded === "/v2/token") return { kind: "token" };
  if (decoded === "/v2/_catalog") return { kind: "catalog" };
  if (decoded === "/metrics") return { kind: "metrics" };
  if (decoded === "/health" || decoded === "/healthz") return { kind: "health" };
  const upload = uploadShape.exec(decoded);
  if (upload !== null) {
    const [, name = "", session = ""] = upload;
    const repository = repositoryOf(name);
    if (session === "") return { kind: "uploads", repository };
    if (!sessionShape.test(session)) throw new Refused("BLOB_UPLOAD_UNKNOWN", "there is no such upload");
    return { kind: "upload", repository, session };
  }
  const [, name = "", what, rest = ""] = pathShape.exec(decoded) ?? [];
  switch (what) {
    case "manifests":
      return { kind: "manifest", repository: repositoryOf(name), reference: referenceOf(rest) };
    case "blobs":
      return { kind: "blob", repository: repositoryOf(name), digest: digestOf(rest) };
    case "referrers":
      return { kind: "referrers", repository: repositoryOf(name), digest: digestOf(rest) };
    case "tags":
      return rest === "list" ? { kind: "tags", repository: repositoryOf(name) } : undefined;
    default:
      return undefined;
  }
}

/** Clients may write the colon of a digest as %3A. */
function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** @throws Refused `NAME_INVALID` */
export function repositoryOf(name: string): string {
  if (name.length <= longestName && repositoryShape.test(name)) return name;
  throw new Refused(
    "NAME_INVALID",
    "the repository's name is not one: lower case, digits, and . _ - / between them",
  );
}

/** @throws Refused `DIGEST_INVALID` */
export function digestOf(text: string): Digest {
  if (isDigest(text)) return text;
  throw new Refused("DIGEST_INVALID", "the digest is not one: sha256: and 64 hex digits are wanted");
}

function referenceOf(text: string): string {
  if (text.includes(":")) return digestOf(text);
  return tagOf(text);
}

/** @throws Refused `MANIFEST_INVALID` */
export function tagOf(text: string): string {
  if (tagShape.test(text)) return text;
  throw new Refused("MANIFEST_INVALID", "the tag is not one: letters, digits, _ . -, at most 128");
}
