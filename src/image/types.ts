import type { Content, Digest } from "../io/index.ts";

/** Media types of the OCI image-spec 1.1 and of Docker's schema 2 that are read and written. */
export const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  layerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  empty: "application/vnd.oci.empty.v1+json",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  /** Reasons of a carved image, attached to its manifest as a referrer. */
  reasons: "application/vnd.whittle.reasons.v1+json",
} as const;

/** A platform as image indexes name it. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
}

/** A content descriptor (image-spec, "OCI Content Descriptors"). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  readonly artifactType?: string;
  readonly urls?: readonly string[];
  readonly data?: string;
}

/** A health check as Docker's config carries it; durations in nanoseconds. */
export interface Healthcheck {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** How a container of the image is run (image-spec, "config"), with Docker's extensions. */
export interface ContainerConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Volumes?: Readonly<Record<string, Record<string, never>>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly Healthcheck?: Healthcheck;
  readonly Shell?: readonly string[];
  readonly OnBuild?: readonly string[];
  readonly ArgsEscaped?: boolean;
}

/** One line of an image's history. */
export interface History {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

/** The image configuration document. */
export interface ImageConfig extends Platform {
  readonly created?: string;
  readonly author?: string;
  readonly config?: ContainerConfig;
  readonly rootfs: { readonly type: "layers"; readonly diff_ids: readonly Digest[] };
  readonly history?: readonly History[];
}

/** An image manifest; Docker's schema 2 has the same members. */
export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image index; Docker's manifest list has the same members. */
export interface Index {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Where blobs are read from, whatever holds them: the store, a layout, an archive, a registry. */
export interface BlobSource {
  /** The bytes of a blob; reading them to the end has verified digest and size. */
  blob(descriptor: Descriptor): Promise<Content>;
  /**
   * The bytes of a blob as they come, for a reader that has them proved otherwise and is done with a piece of them when
   * it asks for the next one; as many as were promised all the same. Not every source has a faster way for that.
   */
  unproved?(descriptor: Descriptor): Promise<Content>;
}

/** Where blobs are written to. */
export interface BlobSink {
  has(digest: Digest): Promise<boolean>;
  /**
   * Takes a stream in and answers with what it was. With `expected`, a mismatch is an error and nothing stays.
   * A blob that is there already is not written again. A chunk is the sink's until it asks for the next one.
   *
   * @param expected - `growing`: told of the file that the bytes are appended to, where there is one; it has that name
   *   until it is whole or given up. `isReadSoon`: whether somebody is about to read the blob; a long one that nobody is
   *   goes to the disk without staying in the system's memory. It does when nothing is said
   */
  add(
    stream: AsyncIterable<Uint8Array>,
    expected?: {
      readonly digest?: Digest;
      readonly size?: number;
      readonly growing?: ((file: string) => void) | undefined;
      readonly isReadSoon?: boolean;
    },
  ): Promise<{ readonly digest: Digest; readonly size: number }>;
}

/** A layer that has been written: what the manifest and what the config say of it. */
export interface LayerRecord {
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed tar. */
  readonly diffId: Digest;
  /** Bytes of the uncompressed tar. */
  readonly unpackedSize: number;
  /** Number of regular files. */
  readonly files: number;
}
