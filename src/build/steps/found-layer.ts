import { join } from "node:path";
import type { BlobSource, Descriptor } from "../../image/index.ts";
import { type Digest, isDigest, sha256 } from "../../io/index.ts";
import type { Changes } from "../../tree/index.ts";
import { type Executor, type Input, inputOf } from "../executor.ts";
import type { Json, Outcome, Step } from "../graph.ts";
import type { BaseLayer } from "./assemble.ts";
import type { BaseLocal } from "./base.ts";
import { layered, lowerInput } from "./layered-value.ts";
import { memberList } from "./member-lists.ts";
import { treeOfInput } from "./tree-value.ts";

/** Whether a step makes a layer over the tree below it, as BuildKit does. */
export function changesTrees({ kind }: Step): boolean {
  return kind === "run" || kind === "copy" || kind === "workdir";
}

/** What a step came to that changed `lower` as a layer says which another builder wrote. */
export function foundOutcome(lower: Input, { descriptor, diffId }: BaseLayer): Outcome {
  const { mediaType, digest, size } = descriptor;
  return {
    digest: sha256(`${lower.digest} ${diffId}`),
    record: { descriptor: { mediaType, digest, size }, diffId },
    blobs: [digest],
  };
}

/** The layer that an outcome was found as; undefined where the step was run. Records come from caches of others, too. */
export function foundLayer({ record }: Pick<Outcome, "record">): BaseLayer | undefined {
  const { descriptor, diffId } = (record ?? {}) as { readonly [Name in keyof BaseLayer]?: Json };
  const { mediaType, digest, size } = (descriptor ?? {}) as { readonly [Name in keyof Descriptor]?: Json };
  if (typeof mediaType !== "string" || typeof size !== "number" || size < 0) return undefined;
  if (typeof digest !== "string" || typeof diffId !== "string") return undefined;
  return isDigest(digest) && isDigest(diffId)
    ? { descriptor: { mediaType, digest, size }, diffId }
    : undefined;
}

/**
 * What a step came to of which nothing is known but that another builder has done it: enough to know what stands on
 * it. Its blob is nowhere, so that the step is run when somebody wants its value after all.
 *
 * @param key - the step's own
 * @param source - who knows of it: what different builders came to is not the same
 */
export function unseenOutcome(key: Digest, source: Digest): Outcome {
  const digest = sha256(`unseen ${key} ${source}`);
  return { digest, record: { unseen: source }, blobs: [digest] };
}

/** Who knows of an outcome of which nothing else is known. */
export function unseenSource({ record }: Pick<Outcome, "record">): Digest | undefined {
  const { unseen } = (record ?? {}) as { readonly unseen?: Json };
  return typeof unseen === "string" && isDigest(unseen) ? unseen : undefined;
}

/** The unpacked digests of the layers that a tree was made of, from the lowest up; undefined where it was not so. */
export async function layerStack(input: Input): Promise<readonly Digest[] | undefined> {
  const { step, inputs } = input;
  if (step.kind === "scratch") return [];
  if (step.kind === "base") {
    const config = await (step.local as BaseLocal).image.config();
    return config.rootfs.diff_ids;
  }
  const lower = inputs[lowerInput];
  const layer = foundLayer(input);
  if (lower === undefined || layer === undefined) return undefined;
  const below = await layerStack(lower);
  return below === undefined ? undefined : [...below, layer.diffId];
}

/** The executor of steps that change the tree below them, also where the change was found as a layer. */
export function orFound(executor: Executor, blobs: BlobSource, cacheDirectory: string): Executor {
  return {
    ...executor,
    lazy: true,
    async load(step, outcome, inputs, context) {
      const layer = foundLayer(outcome);
      if (layer === undefined) return executor.load?.(step, outcome, inputs, context);
      const { changesOfLayer, unpackedLayer } = await import("../../image/index.ts");
      const changed = async (): Promise<Changes> => {
        const unpacked = join(cacheDirectory, "layers");
        const tar = await unpackedLayer(blobs, layer, { unpacked, work: context });
        return changesOfLayer(tar, { list: memberList(cacheDirectory, layer.diffId) });
      };
      // What is below may have to be fetched, which goes on meanwhile.
      const lower = treeOfInput(inputOf(inputs, lowerInput));
      const [tree, changes] = await Promise.all([lower, changed()]);
      return layered(tree, changes);
    },
  };
}
