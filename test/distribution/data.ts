import { createHash, randomBytes } from "node:crypto";

// What is pushed and pulled: one dataset for each kind of image and artifact that a registry has to take.

export type Algorithm = "sha256" | "sha512";

export const types = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  gzipped: "application/vnd.oci.image.layer.v1.tar+gzip",
  elsewhere: "application/vnd.oci.image.layer.nondistributable.v1.tar",
  empty: "application/vnd.oci.empty.v1+json",
  bytes: "application/octet-stream",
  one: "application/vnd.example.distribution.one",
  two: "application/vnd.example.distribution.two",
} as const;

export interface Described {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly urls?: readonly string[];
  readonly data?: string;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

export const digestOf = (bytes: Buffer, algorithm: Algorithm = "sha256"): string =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;

interface DatasetOptions {
  readonly algorithm?: Algorithm;
  /** Descriptors carry the bytes that they name. */
  readonly inline?: boolean;
  /** Documents have members that no specification knows. */
  readonly foreign?: boolean;
}

export interface ImageOptions {
  readonly layers?: readonly Described[];
  readonly layerType?: string;
  readonly config?: Described;
  readonly artifactType?: string;
  readonly subject?: Described;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly architecture?: string;
}

/** Blobs, the manifests over them in the order in which they are pushed, tags, and who speaks of whom. */
export class Dataset {
  readonly name: string;
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, { readonly bytes: Buffer; readonly mediaType: string }>();
  readonly tags = new Map<string, string>();
  readonly referrers = new Map<string, Described[]>();
  /** Tags are given as parameters of a push by digest. */
  tagParameters = false;
  /** Manifests are pushed with other bytes than their digests say, and have to be refused. */
  spoilt = false;
  readonly #options: DatasetOptions;

  constructor(name: string, options: DatasetOptions = {}) {
    this.name = name;
    this.#options = options;
  }

  blob(mediaType: string, bytes: Buffer = randomBytes(300)): Described {
    const digest = digestOf(bytes, this.#options.algorithm);
    this.blobs.set(digest, bytes);
    const data = this.#options.inline === true ? { data: bytes.toString("base64") } : {};
    return { mediaType, digest, size: bytes.length, ...data };
  }

  config(architecture = "amd64"): Described {
    const rootfs = { type: "layers", diff_ids: [digestOf(randomBytes(8))] };
    return this.blob(types.config, this.#json({ architecture, os: "linux", rootfs }));
  }

  image(options: ImageOptions = {}): Described {
    const { artifactType, subject, annotations, layerType = types.gzipped } = options;
    const layers = options.layers ?? [this.blob(layerType), this.blob(layerType)];
    const config = options.config ?? this.config(options.architecture);
    const document = {
      ...{ schemaVersion: 2, mediaType: types.manifest, artifactType, config, layers, subject, annotations },
    };
    const added = this.#manifest(types.manifest, document, artifactType ?? config.mediaType, options);
    const { architecture } = options;
    return architecture === undefined ? added : { ...added, platform: { os: "linux", architecture } };
  }

  artifact(artifactType: string, more: ImageOptions = {}): Described {
    const config = this.blob(types.empty, Buffer.from("{}"));
    return this.image({ artifactType, config, layers: [this.blob(artifactType)], ...more });
  }

  index(manifests: readonly Described[], options: ImageOptions = {}): Described {
    const { artifactType, subject, annotations } = options;
    const document = {
      schemaVersion: 2,
      mediaType: types.index,
      artifactType,
      manifests,
      subject,
      annotations,
    };
    return this.#manifest(types.index, document, artifactType, options);
  }

  /** An index over an image for each of two architectures. */
  platforms(options: ImageOptions = {}): Described {
    return this.index(
      ["amd64", "arm64"].map((architecture) => this.image({ architecture })),
      options,
    );
  }

  tag(tag: string, { digest }: Described): this {
    this.tags.set(tag, digest);
    return this;
  }

  #manifest(
    mediaType: string,
    document: object,
    artifactType: string | undefined,
    { subject, annotations }: ImageOptions,
  ): Described {
    const bytes = this.#json(document);
    const digest = digestOf(bytes, this.#options.algorithm);
    this.manifests.set(digest, { bytes, mediaType });
    const described = { mediaType, digest, size: bytes.length };
    if (subject !== undefined) {
      const shown = {
        ...described,
        ...(artifactType === undefined ? {} : { artifactType }),
        ...(annotations === undefined ? {} : { annotations }),
      };
      this.referrers.set(subject.digest, [...(this.referrers.get(subject.digest) ?? []), shown]);
    }
    return described;
  }

  #json(document: object): Buffer {
    const foreign =
      this.#options.foreign === true ? { "org.example.foreign": randomBytes(4).toString("hex") } : {};
    return Buffer.from(JSON.stringify({ ...document, ...foreign }));
  }
}

/** Every kind of thing that registries keep. */
export function datasets(): Dataset[] {
  return [
    make("image", {}, (of) => of.tag("image", of.image())),
    make("uncompressed image", {}, (of) => of.tag("image-plain", of.image({ layerType: types.layer }))),
    make("manifest of almost 4 MiB", {}, (of) =>
      of.tag("large", of.image({ annotations: manyAnnotations() })),
    ),
    make("index", {}, (of) => of.tag("index", of.platforms())),
    make("index of indexes", {}, (of) => of.tag("nested", of.index([of.platforms(), of.platforms()]))),
    make("empty index", {}, (of) => of.tag("index", of.index([]))),
    make("artifact", {}, (of) => of.tag("artifact", of.artifact(types.one))),
    make("index of artifacts", {}, (of) => {
      const manifests = [of.artifact(types.one), of.artifact(types.one)];
      return of.tag("artifacts", of.index(manifests, { artifactType: types.one }));
    }),
    make("artifact without layers", {}, (of) => {
      const layers = [of.blob(types.empty, Buffer.from("{}"))];
      return of.tag("artifact-bare", of.artifact(types.one, { layers }));
    }),
    make("image with those who speak of it", {}, (of) => {
      const subject = of.image();
      of.tag("image", subject).image({ subject });
      for (const [at, type] of [types.one, types.two].entries()) {
        of.tag(`spoken-${at}`, of.artifact(type, { subject, annotations: remark() }));
      }
      return of;
    }),
    make("index with an index that speaks of it", {}, (of) => {
      const subject = of.platforms();
      const speaks = { artifactType: types.one, subject, annotations: remark() };
      const manifests = [of.artifact(types.one, speaks), of.artifact(types.one, speaks)];
      return of.tag("index", subject).tag("spoken", of.index(manifests, speaks));
    }),
    make("artifact of a subject that is not there", {}, (of) => {
      const subject = { mediaType: types.manifest, digest: digestOf(randomBytes(9)), size: 123 };
      return of.tag("lonely", of.artifact(types.one, { subject, annotations: remark() }));
    }),
    make("descriptors with data", { inline: true }, (of) => of.tag("inline", of.image())),
    make("layers that may not be handed on", {}, (of) => {
      const away = [`${types.elsewhere}+gzip`, types.elsewhere].map((mediaType) => {
        const digest = digestOf(randomBytes(9));
        return { mediaType, digest, size: 12_345, urls: [`https://layers.example/${digest}`] };
      });
      return of.tag("elsewhere", of.image({ layers: [...away, of.blob(types.gzipped)] }));
    }),
    make("members that nobody knows", { foreign: true }, (of) => of.tag("foreign", of.platforms())),
    make("image without layers", {}, (of) => of.tag("no-layers", of.image({ layers: [] }))),
    make("sha512", { algorithm: "sha512" }, (of) => {
      of.platforms();
      return of;
    }),
    ...(["sha256", "sha512"] as const).map((algorithm) =>
      make(`tags as parameters, ${algorithm}`, { algorithm }, (of) => {
        of.tag(`top-${algorithm}`, of.platforms());
        for (const [at, digest] of [...of.manifests.keys()].entries())
          of.tags.set(`${algorithm}-${at}`, digest);
        of.tagParameters = true;
        return of;
      }),
    ),
    make("manifest with other bytes than its digest", {}, (of) => {
      of.image();
      for (const [digest, { bytes, mediaType }] of of.manifests) {
        of.manifests.set(digest, { bytes: Buffer.concat([bytes, Buffer.from("  ")]), mediaType });
      }
      of.spoilt = true;
      return of;
    }),
  ];
}

function make(name: string, options: DatasetOptions, fill: (of: Dataset) => Dataset): Dataset {
  return fill(new Dataset(name, options));
}

const remark = (): Record<string, string> => ({
  "org.example.remark": "hello",
  [`org.example.${randomBytes(4).toString("hex")}`]: "once",
});

function manyAnnotations(): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: 390 }, (_, at) => [`org.example.large-${at}`, "A".repeat(10_000)]),
  );
}
