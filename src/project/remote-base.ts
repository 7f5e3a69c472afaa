import {
  type Descriptor,
  formatPlatform,
  type NameReference,
  openImage,
  type Platform,
  parseReference,
  platformsOf,
  storeName,
  writeIndex,
} from "../image/index.ts";
import type { Environment, Work } from "../io/index.ts";
import type { Store } from "../store/index.ts";

/** Where a base image is brought to, and how. */
export interface RemoteBaseOptions extends Work {
  readonly store: Store;
  readonly environment: Environment;
}

/**
 * Brings the image that a registry has under a name into the store, for one platform. The store keeps it under that
 * name, beside those for other platforms that came the same way.
 *
 * @throws WhittleError `NOT_FOUND`, `REGISTRY_DENIED`, `NETWORK`, `PLATFORM_UNSUPPORTED`
 */
export async function pullBase(
  name: string,
  platform: Platform,
  options: RemoteBaseOptions,
): Promise<Descriptor> {
  const { store, environment } = options;
  const { openClient, openRemote, pullImage } = await import("../registry/index.ts");
  const reference = parseReference(name) as NameReference;
  const opened = await openRemote(reference, options, openClient({ environment, attempts: 3 }));
  const { descriptor } = await openImage(opened.source, opened.descriptor, platform, name);
  await pullImage(opened.source, descriptor, store, options, { isReadSoon: true });
  if (reference.digest === undefined) await keep(store, storeName(reference), descriptor, platform);
  return descriptor;
}

/** Gives an image a name; where the name stands for images of other platforms, it stands for all of them from now on. */
async function keep(store: Store, name: string, image: Descriptor, platform: Platform): Promise<void> {
  const known = await store.resolve(name);
  if (known === undefined) return store.tag(name, image);
  const others = (await platformsOf(store, known)).filter(
    (other) => formatPlatform(other.platform) !== formatPlatform(platform),
  );
  if (others.length === 0) return store.tag(name, image);
  const entries = others.map((other) => ({ ...other.descriptor, platform: other.platform }));
  return store.tag(name, await writeIndex(store, [...entries, { ...image, platform }]));
}
