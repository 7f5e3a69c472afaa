import { type Solver, type Step, stepsOf } from "../build/index.ts";
import { type CacheRecord, serializeCacheRecords } from "../buildkit/index.ts";
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
import { keptSteps, ownRecords, shifted, solvedSteps } from "./cache-records.ts";
import { LayerStacks, type PackedLayer } from "./cache-stacks.ts";
import { buildkitRecords } from "./cache-vertices.ts";

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
  home: CacheHome,
): Promise<Descriptor> {
  const { store, progress } = home;
  const manifest = await readManifest(store, descriptor);
  const places = new Map(manifest.layers.map(({ digest }, at) => [digest, at]));
  const own = ownRecords(await keptSteps([solver], "min", new Set(stepsOf([step]))), places);
  const theirs = await foreignRecords(manifest, step, solver, home);
  const carrying = {
    ...(await readConfig(store, manifest.config)),
    [inlineMember]: serializeCacheRecords([...own, ...shifted(theirs, own.length)]).toString("base64"),
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

/** The records by which BuildKit finds the same steps; it takes the image's layers to stand on one another. */
async function foreignRecords(
  { layers }: Manifest,
  step: Step,
  solver: Solver,
  home: CacheHome,
): Promise<readonly CacheRecord[]> {
  const solved = await solvedSteps([solver], new Set(stepsOf([step])));
  const own = new Set(layers.map(({ digest }) => digest));
  const stacks = new LayerStacks(solved, { isThere: (layer) => own.has(layer) });
  const place = (stack: readonly PackedLayer[]): number | undefined => {
    const isLowest = stack.every(({ descriptor }, at) => layers[at]?.digest === descriptor.digest);
    return isLowest && stack.length > 0 ? stack.length - 1 : undefined;
  };
  // The image is the same whether its steps were run or found.
  return buildkitRecords(solved, { stacks, place, contents: "needed" }, home);
}
