import { isPathReference, parseReference, reachable } from "../image/index.ts";
import type { Digest } from "../io/index.ts";
import type { Store } from "../store/index.ts";
import type { RepositoryPlace } from "./mirrors.ts";

// Reading the manifests of more takes longer than a mount saves.
const mostNames = 200;

/**
 * Where else a registry may have a blob: in the repositories that images of the store are named after, because they were
 * pulled from there or pushed to it. The names are read when a blob is asked for first.
 *
 * @returns the repository for a blob, if one is known; whether it is still there only the registry knows
 */
export function blobHomes(
  store: Store,
  { registry, repository }: RepositoryPlace,
): (blob: Digest) => Promise<string | undefined> {
  // A name without a registry may never have been there, and is nobody's business then.
  if (registry === "docker.io") return async () => undefined;
  let homes: Promise<ReadonlyMap<string, string>> | undefined;
  return async (blob) => {
    homes ??= readHomes(store, registry, repository);
    return (await homes).get(blob);
  };
}

async function readHomes(
  store: Store,
  registry: string,
  repository: string,
): Promise<ReadonlyMap<string, string>> {
  const homes = new Map<string, string>();
  const images = (await store.list()).flatMap(({ reference, descriptor }) => {
    const name = parseReference(reference);
    const isThere = !isPathReference(name) && name.registry === registry && name.repository !== repository;
    return isThere ? [{ home: name.repository, descriptor }] : [];
  });
  for (const { home, descriptor } of images.slice(0, mostNames)) {
    try {
      for await (const { digest } of reachable(store, descriptor))
        if (!homes.has(digest)) homes.set(digest, home);
    } catch {
      // A damaged image is nobody's business here: its blobs travel.
    }
  }
  return homes;
}
