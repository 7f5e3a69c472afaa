import { isIndexType, readIndex, readManifest } from "../image/index.ts";
import { type Digest, isDigest, WhittleError } from "../io/index.ts";
import { changeListedByTag } from "./referrers.ts";
import type { Repository } from "./repository.ts";

/**
 * Deletes a tag of a registry, or a manifest with all its tags (distribution-spec, "Content Management"). A tag is
 * never deleted by way of its manifest, which other tags may name. A manifest that speaks of another one is taken out of
 * the tag that lists it, where there is such a tag ("Deleting Manifests").
 *
 * @param reference - a tag or a digest
 * @returns what was deleted: the tag, or the digest
 * @throws WhittleError `NOT_FOUND`, `REGISTRY_DENIED`, `REGISTRY_REFUSED` when the registry deletes nothing
 */
export async function deleteRemote(repository: Repository, reference: string): Promise<string> {
  const { session, name, label } = repository;
  const named = isDigest(reference) ? `${label}@${reference}` : `${label}:${reference}`;
  const subject = isDigest(reference) ? await subjectOf(repository, reference) : undefined;
  const { answer } = await session.request({
    ...{ method: "DELETE", path: `${name}/manifests/${reference}`, doing: `delete ${named}` },
    ...{ scopes: [`repository:${name}:delete`], expected: [202, 400, 405], signal: repository.signal },
  });
  await answer.body.dump();
  if (answer.statusCode === 202) {
    if (subject === undefined) return reference;
    await changeListedByTag(repository, subject, (listed) => {
      const left = listed.filter(({ digest }) => digest !== reference);
      return left.length === listed.length ? undefined : left;
    });
    return reference;
  }
  if (isDigest(reference)) {
    throw new WhittleError("REGISTRY_REFUSED", `Cannot delete ${named}: the registry deletes nothing`, {
      hint: "deletion has to be allowed in the registry's own configuration",
    });
  }
  const found = await repository.head(reference);
  throw new WhittleError("REGISTRY_REFUSED", `Cannot delete ${named}: the registry deletes no tags`, {
    hint: `whittle rmi --remote ${label}@${found?.digest ?? "DIGEST"} deletes the image, with all its tags`,
  });
}

/** What a manifest speaks of; nothing where it cannot be read, which is no reason not to delete it. */
async function subjectOf(repository: Repository, digest: Digest): Promise<Digest | undefined> {
  try {
    const { descriptor } = await repository.manifest(digest);
    const read = isIndexType(descriptor.mediaType) ? readIndex : readManifest;
    return (await read(repository, descriptor)).subject?.digest as Digest | undefined;
  } catch {
    repository.signal.throwIfAborted();
    return undefined;
  }
}
