import { type Descriptor, mediaTypes } from "../image/index.ts";
import { canonicalJson, type Digest, isDigest } from "../io/index.ts";
import { pagesOf } from "./pages.ts";
import { putManifest } from "./put-manifest.ts";
import type { Repository } from "./repository.ts";

// What a registry without the referrers API answers.
const noReferrersApi = [400, 404, 405];

/** The manifests that speak of a subject: from the referrers API, else from the tag that stands in for it. */
export async function referrersOf(
  repository: Repository,
  subject: Digest,
  artifactType?: string,
): Promise<readonly Descriptor[]> {
  const { session, name, pulling: scopes, signal } = repository;
  const doing = `list what speaks of ${subject}`;
  const list = {
    session,
    first: `${name}/referrers/${subject}`,
    scopes,
    doing,
    absent: noReferrersApi,
    signal,
  };
  const found: Descriptor[] = [];
  for await (const page of pagesOf(list)) {
    found.push(...(page === undefined ? await listedByTag(repository, subject) : descriptorsIn(page)));
  }
  return artifactType === undefined ? found : found.filter((item) => item.artifactType === artifactType);
}

/**
 * Changes the tag that lists what speaks of a subject where a registry has no referrers API (distribution-spec,
 * "Referrers Tag Schema").
 *
 * @param change - the new list, or nothing where the old one is to stay
 */
export async function changeListedByTag(
  repository: Repository,
  subject: Digest,
  change: (listed: readonly Descriptor[]) => readonly Descriptor[] | undefined,
): Promise<void> {
  const manifests = change(await referrersOf(repository, subject));
  if (manifests === undefined) return;
  const reference = referrersTag(subject);
  const { index: mediaType } = mediaTypes;
  await putManifest(repository, {
    ...{ reference, mediaType, doing: `list what speaks of ${subject} in ${repository.label}:${reference}` },
    bytes: Buffer.from(canonicalJson({ schemaVersion: 2, mediaType, manifests })),
  });
}

async function listedByTag(repository: Repository, subject: Digest): Promise<readonly Descriptor[]> {
  const tag = referrersTag(subject);
  if ((await repository.head(tag)) === undefined) return [];
  return descriptorsIn(JSON.parse((await repository.manifest(tag)).bytes.toString("utf8")));
}

function referrersTag(subject: Digest): string {
  return subject.replace(":", "-").slice(0, 128);
}

/** What can be told from other things in a server's list. */
function descriptorsIn(index: unknown): readonly Descriptor[] {
  const { manifests } = (index ?? {}) as { manifests?: unknown };
  return ((Array.isArray(manifests) ? manifests : []) as Descriptor[]).filter(
    (item) =>
      typeof item?.digest === "string" &&
      isDigest(item.digest) &&
      typeof item.mediaType === "string" &&
      Number.isSafeInteger(item.size),
  );
}
