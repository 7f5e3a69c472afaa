import type { Answer } from "../http/index.ts";
import type { Repository } from "./repository.ts";

/** A manifest or index that goes to a registry. */
export interface PutManifest {
  /** The tag or the digest that it gets. */
  readonly reference: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** As the words after "Cannot". */
  readonly doing: string;
}

/**
 * Puts a manifest into a repository (distribution-spec, "Pushing Manifests").
 *
 * @returns the answer, whose body is read
 * @throws WhittleError `REGISTRY_DENIED`, `REGISTRY_REFUSED`, `NETWORK`
 */
export async function putManifest(
  { session, name, signal }: Repository,
  { reference, mediaType, bytes, doing }: PutManifest,
): Promise<Answer> {
  const { answer } = await session.request({
    ...{ method: "PUT", path: `${name}/manifests/${reference}`, doing, signal },
    scopes: [`repository:${name}:pull,push`],
    headers: { "content-type": mediaType },
    ...{ body: bytes, expected: [201] },
  });
  await answer.body.dump();
  return answer;
}
