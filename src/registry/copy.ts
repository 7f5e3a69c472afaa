import {
  choosePlatform,
  type Descriptor,
  formatReference,
  hostPlatform,
  isIndexType,
  isPathReference,
  type NameReference,
  type Platform,
  parseReference,
  platformsOf,
  type Reference,
} from "../image/index.ts";
import { type Digest, type Environment, WhittleError, type Work } from "../io/index.ts";
import { attachedTo, chosenPart, type OpenedImage, type Store, writeTo } from "../store/index.ts";
import { blobHomes } from "./blob-homes.ts";
import type { RegistryClient } from "./client.ts";
import { pullImage } from "./pull.ts";
import { pushImage } from "./push.ts";
import { isEngineReference, writeToEngine } from "./transports/engine.ts";

/** How an image is copied. */
export interface CopyOptions {
  readonly store: Store;
  readonly client: RegistryClient;
  /** Only this platform of an image that has several. */
  readonly platform?: Platform;
  /** Whether what is attached to the image goes with it. */
  readonly withReferrers: boolean;
  /** Where the programs of container engines are looked for (default: this process's). */
  readonly environment?: Environment;
}

/**
 * Copies an opened image to where a reference says. From registry to registry the blobs stream through and touch no
 * disk; within one registry they are mounted.
 *
 * @param from - the reference that was opened
 * @returns the digest of what was copied
 */
export async function copyImage(
  opened: OpenedImage,
  from: string,
  to: Reference,
  work: Work,
  options: CopyOptions,
): Promise<Digest> {
  const { store, client } = options;
  const platform = options.platform ?? (await ownPlatform(opened, to));
  const chosen = { called: from, ...(platform === undefined ? {} : { platform }) };
  const descriptor = await chosenPart(opened.source, opened.descriptor, chosen);
  const referrers = options.withReferrers ? await attachedTo({ ...opened, descriptor }) : [];
  if (!isPathReference(to) && to.transport === "docker") {
    const source = parseReference(from);
    requireDigest(to, descriptor);
    const near = !isPathReference(source) && source.transport !== "store" && source.registry === to.registry;
    await pushImage({
      session: await client.session(to.registry),
      ...{ repository: to.repository, tag: to.digest === undefined ? (to.tag ?? "latest") : to.tag },
      ...{ source: opened.source, descriptor, referrers, work },
      from: near ? async () => source.repository : blobHomes(store, to),
    });
    return descriptor.digest;
  }
  if (!isPathReference(to) && isEngineReference(to)) {
    const environment = options.environment ?? process.env;
    await writeToEngine(to, opened.source, descriptor, work, { environment });
    return descriptor.digest;
  }
  if (!isPathReference(to) && to.transport === "store") {
    for (const item of [descriptor, ...referrers]) await pullImage(opened.source, item, store, work);
  }
  await writeTo(to, opened.source, descriptor, work, {
    ...{ store, referrers },
    ...(isPathReference(to) ? { names: namesFor(from) } : {}),
  });
  return descriptor.digest;
}

/** Docker's own forms hold one platform: of several, this machine's is taken where it is among them, as skopeo does. */
async function ownPlatform(
  { source, descriptor }: OpenedImage,
  to: Reference,
): Promise<Platform | undefined> {
  const isOne = to.transport === "docker-archive" || to.transport === "docker-daemon";
  if (!isOne || !isIndexType(descriptor.mediaType)) return undefined;
  const images = await platformsOf(source, descriptor);
  const isThere = images.length > 1 && choosePlatform(hostPlatform(), images) !== undefined;
  return isThere ? hostPlatform() : undefined;
}

/**
 * A digest in the name of where something goes has to be its own.
 *
 * @throws WhittleError `DIGEST_MISMATCH`
 */
export function requireDigest({ name, digest }: NameReference, descriptor: Descriptor): void {
  if (digest === undefined || digest === descriptor.digest) return;
  throw new WhittleError(
    "DIGEST_MISMATCH",
    `Cannot push to ${name}@${digest}: the image has the digest ${descriptor.digest}`,
    { hint: "leave the digest out, or name a tag" },
  );
}

/** The name that a copy keeps in a form that holds names. */
function namesFor(from: string): readonly string[] {
  const reference = parseReference(from);
  if (isPathReference(reference)) return reference.tag === undefined ? [] : [reference.tag];
  if (reference.name === "" || reference.digest !== undefined) return [];
  return [formatReference({ ...reference, transport: "store", tag: reference.tag ?? "latest" })];
}
