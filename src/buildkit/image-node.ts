import type { BaseLocal, Step } from "../build/index.ts";
import { type Image, type ImageConfig, normalizePlatform } from "../image/index.ts";
import { type Digest, sha256 } from "../io/index.ts";
import { goJson, unlessEmpty } from "./go-json.ts";
import { sourceName } from "./names.ts";
import type { Node } from "./node.ts";
import type { Neighbours } from "./vertices.ts";

/**
 * An image, which BuildKit knows by its manifest and the platform, and by its layers (moby/buildkit,
 * source/containerimage/pull.go). Of one that came through an index, only the latter is known here.
 */
export async function imageNode(step: Step, { treeOf }: Neighbours): Promise<Node | undefined> {
  const { image } = step.local as BaseLocal;
  const { os, architecture, variant } = normalizePlatform(await image.platform());
  // What is below `Files` there is the root here.
  if (os === "windows") return undefined;
  const config = await image.config();
  // What has no files is no source to BuildKit's front end.
  if (holdsNothing(config)) return { kind: "scratch" };
  const chain = chainOf(config.rootfs.diff_ids);
  if (chain === undefined) return undefined;
  const names = [sourceName(chain), sourceName(await manifestKey(image))];
  const vertex = { names, inputs: [] };
  const identity = `image ${image.descriptor.digest} ${os} ${architecture} ${variant}`;
  return { kind: "files", identity, tree: () => treeOf(step), provenance: "kept", vertex };
}

function holdsNothing({ rootfs, history = [] }: ImageConfig): boolean {
  return rootfs.diff_ids.length === 0 && history.every(({ empty_layer }) => empty_layer === true);
}

/** The chain's digest of the image specification (config.md, "Layer ChainID"). */
export function chainOf(diffIds: readonly Digest[]): Digest | undefined {
  const [first, ...others] = diffIds;
  return others.reduce<Digest | undefined>((chain, diffId) => sha256(`${chain} ${diffId}`), first);
}

async function manifestKey(image: Image): Promise<Digest> {
  const { os, architecture, variant } = normalizePlatform(await image.platform());
  const key = { Digest: image.descriptor.digest, OS: os, Arch: architecture, Variant: unlessEmpty(variant) };
  return sha256(goJson(key));
}
