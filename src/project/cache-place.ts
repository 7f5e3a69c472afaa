import type { BlobSource, Descriptor } from "../image/index.ts";
import { type Digest, type Environment, WhittleError, type Work } from "../io/index.ts";
import { type OpenedImage, openStore, readFrom, type Store, writeTo } from "../store/index.ts";

/** Where a cache lies: in an image layout on disk, or in a registry. */
export type CachePlace =
  | {
      readonly kind: "local";
      /** Absolute path. */
      readonly directory: string;
      /** Which cache of several (default: `latest`). */
      readonly tag?: string;
      /** Exactly this one. */
      readonly digest?: Digest;
    }
  | {
      readonly kind: "registry";
      /** The name of an image: of a cache, or of an image that carries one inside. */
      readonly reference: string;
    };

/** What places are reached with. */
export interface CacheHome extends Work {
  readonly store: Store;
  readonly environment: Environment;
}

/** A place as a person wrote it. */
export function placeName(place: CachePlace): string {
  return place.kind === "local" ? place.directory : place.reference;
}

/** Opens the manifest of a cache; throws what its transport throws. */
export async function openPlace(place: CachePlace, home: CacheHome): Promise<OpenedImage> {
  if (place.kind === "registry") {
    const { openAnywhere, openClient } = await import("../registry/index.ts");
    // A cache that does not answer is no reason to wait long.
    const client = openClient({ environment: home.environment, attempts: 2 });
    return openAnywhere(place.reference, home, { store: home.store, client });
  }
  const { directory: path, tag = "latest", digest } = place;
  if (digest === undefined) return readFrom({ transport: "oci", path, tag }, home);
  const layout = await openStore(path);
  const descriptor = await layout.resolve(digest);
  if (descriptor === undefined) throw new WhittleError("NOT_FOUND", `it holds no ${digest}`);
  return { source: layout, descriptor, referrers: async () => [], close: async () => undefined };
}

/** Writes the manifest of a cache, and all that it leads to, in place of the one that was there. */
export async function writePlace(
  place: CachePlace,
  source: BlobSource,
  descriptor: Descriptor,
  home: CacheHome,
): Promise<void> {
  if (place.kind === "registry") {
    const { blobHomes, openClient, pushImage, remoteReference } = await import("../registry/index.ts");
    const { registry, repository, tag = "latest" } = remoteReference(place.reference);
    const session = await openClient({ environment: home.environment }).session(registry);
    // The registry may have a base's layers in another repository.
    const from = blobHomes(home.store, { registry, repository });
    await pushImage({ session, repository, tag, source, from, descriptor, work: home });
    return;
  }
  const { directory: path, tag = "latest" } = place;
  await writeTo({ transport: "oci", path, tag }, source, descriptor, home);
}
