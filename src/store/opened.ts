import { type BlobSource, type Descriptor, isIndexType, type Platform, readIndex } from "../image/index.ts";
import type { Work } from "../io/index.ts";

/** An image somewhere, opened for reading. */
export interface OpenedImage {
  readonly source: BlobSource;
  /** A manifest or an index. */
  readonly descriptor: Descriptor;
  /** The name that it has where it lies, if it has one. */
  readonly name?: string;
  /** Manifests that speak of a manifest of this image (reasons, bills of materials), where the form can hold them. */
  referrers(subject: Descriptor, artifactType?: string): Promise<readonly Descriptor[]>;
  /** Frees what was unpacked on the way; nothing may be read afterwards. */
  close(): Promise<void>;
}

/** Everything that is attached to an image and, where it is an index, to the images inside it. */
export async function attachedTo(opened: OpenedImage): Promise<Descriptor[]> {
  const { descriptor, source } = opened;
  const inside = isIndexType(descriptor.mediaType) ? (await readIndex(source, descriptor)).manifests : [];
  const found = new Map<string, Descriptor>();
  for (const subject of [descriptor, ...inside]) {
    for (const referrer of await opened.referrers(subject)) found.set(referrer.digest, referrer);
  }
  return [...found.values()];
}

export interface ReadOptions {
  /** Where large things may be put while the image is open; by default the system's directory for such. */
  readonly temporary?: string;
  /** What an archive of nothing but files is said to be made for (default: this machine). */
  readonly platform?: Platform;
}

export interface WriteOptions {
  /** Names for the image inside the archive or layout: `bar/s0:1`. An OCI layout takes the first one only. */
  readonly names?: readonly string[];
  /** Only this platform of an image that has several. */
  readonly platform?: Platform;
  /** What the image is called in an error, by default its digest. */
  readonly called?: string;
  /** Manifests to be carried along that speak of the image: their subjects are inside it. */
  readonly referrers?: readonly Descriptor[];
  /** Where large things may be put meanwhile; by default the system's directory for such. */
  readonly temporary?: string;
}

/** A form in which images lie on disk. */
export interface Transport {
  open(path: string, name: string | undefined, work: Work, options: ReadOptions): Promise<OpenedImage>;
  /** Writes all or nothing. */
  write(
    path: string,
    name: string | undefined,
    source: BlobSource,
    descriptor: Descriptor,
    work: Work,
    options: WriteOptions,
  ): Promise<void>;
}
