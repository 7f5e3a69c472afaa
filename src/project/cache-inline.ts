import { type Solver, type Step, stepsOf } from "../build/index.ts";
import { serializeCacheRecords } from "../buildkit/index.ts";
import {
  type Descriptor,
  documentLimits,
  isIndexType,
  type Manifest,
  readConfig,
  readIndex,
  readManifest,
  serializeDocument,
  writeBlob,
} from "../image/index.ts";
import type { BuiltImage } from "./build.ts";
import { inlineMember } from "./cache-open.ts";
import type { CacheHome } from "./cache-place.ts";
import { keptSteps } from "./cache-records.ts";

/**
 * The image with its own cache inside: what its steps came to stands in its configuration, as BuildKit has it, and
 * its layers are the cache's. It is another image by its digest, of the same files.
 *
 * @param steps - the step of each platform's image, in the order of the image's platforms
 */
export async function withInlineCache(
  image: BuiltImage,
  steps: readonly Step[],
  solver: Solver,
  home: CacheHome,
): Promise<BuiltImage> {
  const { store } = home;
  const platforms = await Promise.all(
    image.platforms.map(async (built, at) => {
      const step = steps[at];
      if (step === undefined) return built;
      return { ...built, descriptor: await withRecords(built.descriptor, step, solver, home) };
    }),
  );
  const others = new Map(
    image.platforms.map(({ descriptor }, at) => [descriptor.digest, platforms[at]?.descriptor]),
  );
  const { descriptor } = image;
  if (!isIndexType(descriptor.mediaType)) {
    return { ...image, platforms, descriptor: others.get(descriptor.digest) ?? descriptor };
  }
  const index = await readIndex(store, descriptor);
  const manifests = index.manifests.map((item) => {
    const { digest, size } = others.get(item.digest) ?? item;
    return { ...item, digest, size };
  });
  const written = await writeBlob(store, descriptor.mediaType, serializeDocument({ ...index, manifests }));
  return { ...image, platforms, descriptor: { ...descriptor, ...written } };
}

async function withRecords(
  descriptor: Descriptor,
  step: Step,
  solver: Solver,
  { store, progress }: CacheHome,
): Promise<Descriptor> {
  const manifest = await readManifest(store, descriptor);
  const places = new Map<string, number>(manifest.layers.map(({ digest }, at) => [digest, at]));
  const { outcomes, layers } = await keptSteps([solver], "min", new Set(stepsOf([step])));
  const records = [...outcomes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([digest, outcome]) => ({
      ...{ digest, outcome, chains: [], inputs: [] },
      results: (outcome.blobs ?? []).flatMap((blob) => {
        const layer = places.get(blob) ?? places.get(layers.get(blob)?.packed ?? "");
        return layer === undefined ? [] : { layer };
      }),
    }));
  const carrying = {
    ...(await readConfig(store, manifest.config)),
    [inlineMember]: serializeCacheRecords(records).toString("base64"),
  };
  const config = serializeDocument(carrying);
  if (config.length > documentLimits.bytes) {
    const text = `the cache is not in the image: its configuration would have ${config.length} bytes, at most ${documentLimits.bytes} are read`;
    progress({ kind: "warning", text });
    return descriptor;
  }
  const about = await writeBlob(store, manifest.config.mediaType, config);
  const changed: Manifest = { ...manifest, config: about };
  return {
    ...descriptor,
    ...(await writeBlob(store, descriptor.mediaType, serializeDocument(changed))),
  };
}
