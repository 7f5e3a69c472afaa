import { baseStep, type Step, scratchStep } from "../build/index.ts";
import type { Asked, BaseImage } from "../dockerfile/index.ts";
import { type Descriptor, formatPlatform, openImage, type Platform } from "../image/index.ts";
import { nearest, parseDigest, sha256, WhittleError } from "../io/index.ts";
import type { Store } from "../store/index.ts";

/** An image of the store as something to build on. */
export async function openBase(
  store: Store,
  descriptor: Descriptor,
  platform: Platform,
  cacheDirectory: string,
  name: string,
): Promise<BaseImage> {
  const image = await openImage(store, descriptor, platform, name);
  const [config, layers] = await Promise.all([image.config(), image.layers()]);
  const step = baseStep(image.descriptor.digest, { image, cacheDirectory });
  return {
    step: { ...step, label: `FROM ${name}` },
    digest: image.descriptor.digest,
    config,
    layers: layers.map((layer) => ({ descriptor: layer.descriptor, diffId: parseDigest(layer.diffId) })),
  };
}

/** Stands for an image that need not be there, where only the Dockerfile's own words matter. */
export function unknownBase(platform: Platform): BaseImage {
  return describedBase(scratchStep, platform);
}

/** Stands for an image that a step would come to. */
export function describedBase(step: Step, platform: Platform): BaseImage {
  return {
    step,
    digest: sha256(""),
    config: { ...platform, config: {}, rootfs: { type: "layers", diff_ids: [] } },
    layers: [],
  };
}

/**
 * The error for a base that neither the store nor its registry has; it says how to come by one.
 *
 * @param cause - why the registry did not give it
 */
export async function missingBase(
  name: string,
  platform: Platform,
  asked: Asked,
  store: Store,
  cause: unknown,
): Promise<unknown> {
  if (!(cause instanceof WhittleError) || !notHad.has(cause.code)) return cause;
  // A tag that everybody has makes no two names alike.
  const known = (await store.list()).map((image) => image.reference.replace(/:latest$/, ""));
  const meant = asked.near ?? nearest(name, known);
  const suggestion = meant === undefined ? "" : ` (did you mean ${meant}?)`;
  return new WhittleError(
    "NOT_FOUND",
    `Cannot build on ${name}: neither a stage, a named context nor the store has it for ${formatPlatform(platform)}${suggestion}; ${cause.message}`,
    { at: asked.at, hint: waysToGet(name, cause), cause },
  );
}

/** What a registry says when it is of no help. */
const notHad: ReadonlySet<string> = new Set([
  "NOT_FOUND",
  "NETWORK",
  "REGISTRY_DENIED",
  "PLATFORM_UNSUPPORTED",
]);

/** A registry that wants to know who asks has more to say than that there are other ways. */
function waysToGet(name: string, cause: WhittleError): string {
  const denied = cause.code === "REGISTRY_DENIED" && cause.hint !== undefined ? [cause.hint] : [];
  return [...denied, waysTo(name)].join("; ");
}

function waysTo(name: string): string {
  const debian = /^(?:docker\.io\/)?(?:library\/)?debian:([a-z]+)(?:-slim)?$/.exec(name)?.[1];
  const ways = [
    ...(debian === undefined
      ? []
      : [`whittle bootstrap ${debian} -t ${name} makes it from Debian's archive`]),
    `--build-context ${name}=docker-image://IMAGE takes another image of the store`,
    `--build-context ${name}=oci-layout://DIRECTORY one that lies on disk`,
    `whittle tag IMAGE ${name} gives one this name`,
  ];
  return ways.join("; ");
}

/** An image of the store that is for other platforms only is as good as none; other errors are thrown. */
export function unlessForOthers(error: unknown): undefined {
  if (!(error instanceof WhittleError) || error.code !== "PLATFORM_UNSUPPORTED") throw error;
}
