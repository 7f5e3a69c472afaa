import { type BlobSource, type Descriptor, formatPlatform, platformsOf, reachable } from "../image/index.ts";

/** What a line of a list of images says. */
export interface ImageSummary {
  readonly reference: string;
  readonly digest: string;
  readonly platforms: readonly string[];
  /** Compressed bytes of all platforms together; what they share counts once. */
  readonly size: number;
}

/** Sums up an image that is here. */
export async function summarize(
  reference: string,
  source: BlobSource,
  descriptor: Descriptor,
): Promise<ImageSummary> {
  let size = 0;
  for await (const item of reachable(source, descriptor)) size += item.size;
  const images = await platformsOf(source, descriptor);
  return {
    reference,
    digest: descriptor.digest,
    platforms: images.map((image) => formatPlatform(image.platform)),
    size,
  };
}

/** The first hex digits of a digest, enough for people and for `Store.resolve`. */
export function shortDigest(digest: string): string {
  return digest.replace(/^sha(?:256|512):/, "").slice(0, 12);
}
