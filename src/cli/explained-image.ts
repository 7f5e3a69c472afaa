import type { Reasons } from "../carve/index.ts";
import type { Descriptor, Image } from "../image/index.ts";
import { readText } from "../io/index.ts";
import type { OpenedImage } from "../store/index.ts";
import type { Origin, Tree, TreePath } from "../tree/index.ts";
import type { VerbContext } from "./verb.ts";

/** An image with its files and, where it was carved, the reasons for them. */
export interface ExplainedImage {
  readonly image: Image;
  /** Absent when the image was not carved by Whittle, or its reasons were left behind. */
  readonly reasons: Reasons | undefined;
  /** Read from the layers when first asked for. */
  tree(): Promise<Tree>;
  /** The package, file or step that a path came from; where nothing more is known, its layer. */
  origin(path: TreePath): Promise<Origin | undefined>;
}

// Reasons of an image of 200,000 files take a tenth of this.
const largestReasons = 256 * 1024 * 1024;

/** Opens the image that a person named, of its platforms the one that they want, for as long as `use` runs. */
export async function withExplainedImage<T>(
  reference: string,
  platform: string | undefined,
  context: VerbContext,
  use: (image: ExplainedImage) => Promise<T>,
): Promise<T> {
  const { readFrom } = await import("../store/index.ts");
  const { openImage, parsePlatform } = await import("../image/index.ts");
  const opened = await readFrom(reference, context, { store: await context.store() });
  try {
    const wanted = platform === undefined ? undefined : parsePlatform(platform);
    const image = await openImage(opened.source, opened.descriptor, wanted, reference);
    return await use(await explain(opened, image, context));
  } finally {
    await opened.close();
  }
}

async function explain(opened: OpenedImage, image: Image, context: VerbContext): Promise<ExplainedImage> {
  const { readTree } = await import("../image/index.ts");
  const { installedOrigins } = await import("../carve/index.ts");
  const { unpackedLayersDirectory } = await import("../store/index.ts");
  const unpacked = unpackedLayersDirectory(context.storeDirectory);
  const reasons = await readReasons(opened, image.descriptor);
  let tree: Promise<Tree> | undefined;
  let installed: Promise<Map<TreePath, Origin>> | undefined;
  const treeOnce = (): Promise<Tree> => {
    tree ??= readTree(image, { unpacked, work: context });
    return tree;
  };
  return {
    image,
    reasons,
    tree: treeOnce,
    async origin(path) {
      const known = reasons?.origin(path);
      if (known !== undefined) return known;
      installed ??= treeOnce().then(installedOrigins);
      return (await installed).get(path) ?? (await treeOnce()).get(path)?.origin;
    },
  };
}

async function readReasons(opened: OpenedImage, subject: Descriptor): Promise<Reasons | undefined> {
  const { mediaTypes, readManifest } = await import("../image/index.ts");
  const { Reasons } = await import("../carve/index.ts");
  const [referrer] = await opened.referrers(subject, mediaTypes.reasons);
  if (referrer === undefined) return undefined;
  const [blob] = (await readManifest(opened.source, referrer)).layers;
  if (blob === undefined) return undefined;
  const text = await readText(await opened.source.blob(blob), largestReasons);
  return Reasons.fromJSON(JSON.parse(text));
}
