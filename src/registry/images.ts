import { isPathReference, type NameReference, parseReference, type Reference } from "../image/index.ts";
import { type Environment, WhittleError, type Work } from "../io/index.ts";
import { type OpenedImage, type ReadOptions, readFrom, type Store } from "../store/index.ts";
import type { RegistryClient } from "./client.ts";
import { isEngineReference, openFromEngine } from "./transports/engine.ts";

/** Where images are looked for. */
export interface Places extends ReadOptions {
  readonly store: Store;
  readonly client: RegistryClient;
  /** Where the programs of container engines are looked for (default: this process's). */
  readonly environment?: Environment;
}

/**
 * Opens the image that a reference names, wherever it is: in the store, on disk, in a registry. A bare name is looked
 * for in the store first.
 *
 * @throws WhittleError `NOT_FOUND`, `REGISTRY_DENIED`, `NETWORK`, `IMAGE_INVALID`
 */
export async function openAnywhere(text: string, work: Work, places: Places): Promise<OpenedImage> {
  // The first digits of a digest are for the store to understand.
  const reference = /^sha256:[0-9a-f]{4,63}$/.test(text) ? undefined : parseReference(text);
  if (reference === undefined || isPathReference(reference)) return readFrom(text, work, places);
  if (reference.transport === "docker") return openRemote(reference, work, places.client);
  if (reference.transport === "store") {
    const known = await places.store.resolve(reference);
    if (known !== undefined || reference.name === "") return readFrom(reference, work, places);
    return openRemote(reference, work, places.client);
  }
  return openFromEngine(reference, work, { ...places, environment: places.environment ?? process.env });
}

/**
 * Opens an image of a registry; nothing but its manifest has been read.
 *
 * @throws WhittleError `NOT_FOUND`, `REGISTRY_DENIED`, `NETWORK`, `IMAGE_INVALID`
 */
export async function openRemote(
  reference: NameReference,
  work: Work,
  client: RegistryClient,
): Promise<OpenedImage> {
  const repository = await client.repository(reference, work.signal);
  const { descriptor } = await repository.manifest(reference.digest ?? reference.tag ?? "latest");
  return {
    source: repository,
    descriptor,
    name: `${reference.name}:${reference.tag ?? "latest"}`,
    referrers: (subject, artifactType) => repository.referrers(subject.digest, artifactType),
    close: async () => undefined,
  };
}

/**
 * A reference as the name of an image in a registry: `docker://` may be left out, no other transport will do.
 *
 * @throws WhittleError `REFERENCE_INVALID`
 */
export function remoteReference(text: string | Reference): NameReference {
  const reference = typeof text === "string" ? parseReference(text) : text;
  if (isPathReference(reference) || isEngineReference(reference) || reference.name === "") {
    throw new WhittleError(
      "REFERENCE_INVALID",
      `Cannot use ${String(text)} here: it names no repository of a registry`,
      {
        hint: "REGISTRY/REPOSITORY:TAG is wanted",
      },
    );
  }
  return reference;
}
