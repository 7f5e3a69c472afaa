import { isDigest, WhittleError } from "../io/index.ts";
import type { Repository } from "./repository.ts";

/**
 * Deletes a tag of a registry, or a manifest with all its tags (distribution-spec, "Content Management"). A tag is
 * never deleted by way of its manifest, which other tags may name.
 *
 * @param reference - a tag or a digest
 * @returns what was deleted: the tag, or the digest
 * @throws WhittleError `NOT_FOUND`, `REGISTRY_DENIED`, `REGISTRY_REFUSED` when the registry deletes nothing
 */
export async function deleteRemote(repository: Repository, reference: string): Promise<string> {
  const { session, name, label } = repository;
  const named = isDigest(reference) ? `${label}@${reference}` : `${label}:${reference}`;
  const { answer } = await session.request({
    ...{ method: "DELETE", path: `${name}/manifests/${reference}`, doing: `delete ${named}` },
    ...{ scopes: [`repository:${name}:delete`], expected: [202, 400, 405], signal: repository.signal },
  });
  await answer.body.dump();
  if (answer.statusCode === 202) return reference;
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
