import { canonicalJson, readContent, WhittleError } from "../io/index.ts";
import {
  type Check,
  checkDocument,
  type DocumentLimits,
  digest,
  exactly,
  flag,
  integer,
  list,
  mapOf,
  members,
  nullable,
  parseJson,
  refuse,
  shaped,
  size,
  text,
} from "./json.ts";
import {
  type BlobSource,
  type Descriptor,
  type ImageConfig,
  type Index,
  type Manifest,
  mediaTypes,
} from "./types.ts";

/**
 * What registries accept for a manifest (distribution-spec: 4 MiB at least); configs with long histories fit too. So
 * many values are descriptors that fill 4 MiB, and not an empty object every three bytes.
 */
export const documentLimits = { bytes: 4 * 1024 * 1024, depth: 32, values: 200_000 } as const;

const mediaType = shaped(
  /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/,
  "a media type",
);
const annotations = mapOf(text);
// RFC 3339, section 5.6.
const time = shaped(
  /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/,
  "a time such as 2015-10-31T22:22:56Z",
);

const platformMembers = {
  architecture: text,
  os: text,
  variant: text,
  "os.version": text,
  "os.features": list(text),
};

const descriptor: Check = members(
  {
    mediaType,
    digest,
    size,
    annotations: nullable(annotations),
    platform: members(platformMembers, ["architecture", "os"]),
    artifactType: mediaType,
    urls: nullable(list(shaped(/^[A-Za-z][A-Za-z0-9+.-]*:\S+$/, "an address"))),
    data: shaped(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, "text in base64"),
  },
  ["mediaType", "digest", "size"],
);

const manifestMembers = {
  schemaVersion: exactly(2),
  mediaType,
  artifactType: mediaType,
  config: descriptor,
  subject: descriptor,
  annotations: nullable(annotations),
};
const ociManifest = members({ ...manifestMembers, layers: list(descriptor, 1) }, [
  "schemaVersion",
  "config",
  "layers",
]);
// Docker and BuildKit write an image of nothing but configuration with no layer at all.
const bareManifest = members({ ...manifestMembers, layers: list(descriptor) }, [
  "schemaVersion",
  "config",
  "layers",
]);
const index = members(
  {
    schemaVersion: exactly(2),
    mediaType,
    artifactType: mediaType,
    manifests: list(descriptor),
    subject: descriptor,
    annotations: nullable(annotations),
  },
  ["schemaVersion", "manifests"],
);

const emptyMembers = nullable(mapOf(() => undefined));
const containerConfig = members(
  {
    User: text,
    ExposedPorts: emptyMembers,
    Env: nullable(list(shaped(/^[^=]+=/s, "NAME=VALUE"))),
    Entrypoint: nullable(list(text)),
    Cmd: nullable(list(text)),
    Volumes: emptyMembers,
    WorkingDir: text,
    Labels: nullable(annotations),
    StopSignal: text,
    Healthcheck: nullable(
      members(
        {
          Test: nullable(list(text)),
          Interval: integer,
          Timeout: integer,
          StartPeriod: integer,
          StartInterval: integer,
          Retries: integer,
        },
        [],
      ),
    ),
    Shell: nullable(list(text)),
    OnBuild: nullable(list(text)),
    ArgsEscaped: flag,
  },
  [],
);
const config = members(
  {
    ...platformMembers,
    created: nullable(time),
    author: text,
    config: nullable(containerConfig),
    rootfs: members({ type: exactly("layers"), diff_ids: list(digest) }, ["type", "diff_ids"]),
    history: nullable(
      list(
        members(
          { created: nullable(time), created_by: text, author: text, comment: text, empty_layer: flag },
          [],
        ),
      ),
    ),
  },
  ["architecture", "os", "rootfs"],
);

/**
 * Reads an image manifest (image-spec, "OCI Image Manifest Specification"; Docker's schema 2 likewise).
 *
 * @param what - its name in an error
 * @param options - `bare`: take an image without layers, which the specification forbids and builders make
 * @throws WhittleError `IMAGE_INVALID`
 */
export function parseManifest(
  bytes: Uint8Array,
  what = "the manifest",
  options: { readonly bare?: boolean } = {},
): Manifest {
  return manifestOf(parseJson(bytes, what, documentLimits), what, options.bare === true);
}

function manifestOf(value: unknown, what: string, bare: boolean): Manifest {
  checkDocument(value, what, (document, at) => {
    unambiguous(document, ["config", "layers"], ["manifests", "fsLayers"]);
    const docker = (document as Partial<Manifest> | null)?.mediaType === mediaTypes.dockerManifest;
    (docker || bare ? bareManifest : ociManifest)(document, at);
    const { artifactType, config: about } = document as Manifest;
    if (about.mediaType === mediaTypes.empty && artifactType === undefined) {
      refuse(undefined, "artifactType", "a media type beside an empty config");
    }
  });
  return withoutNulls(value) as Manifest;
}

/** Reads an image index or Docker's manifest list; see {@link parseManifest}. */
export function parseIndex(
  bytes: Uint8Array,
  what = "the index",
  limits: DocumentLimits = documentLimits,
): Index {
  return indexOf(parseJson(bytes, what, limits), what);
}

function indexOf(value: unknown, what: string): Index {
  checkDocument(value, what, (document, at) => {
    unambiguous(document, ["manifests"], ["config", "layers", "fsLayers"]);
    index(document, at);
  });
  return withoutNulls(value) as Index;
}

/**
 * Reads what may be a manifest or an index; see {@link parseManifest}.
 *
 * @param typeOf - decides what it is, from the media type that it states itself, if it states one
 */
export function parseManifestOrIndex(
  bytes: Uint8Array,
  what: string,
  typeOf: (stated: string | undefined) => string,
): { readonly mediaType: string; readonly document: Manifest | Index } {
  const value = parseJson(bytes, what, documentLimits);
  const stated = (value as Partial<Manifest> | null)?.mediaType as unknown;
  const mediaType = typeOf(typeof stated === "string" ? stated : undefined);
  return {
    mediaType,
    document: isIndexType(mediaType) ? indexOf(value, what) : manifestOf(value, what, true),
  };
}

/** Reads an image configuration; members that we do not know stay, so that a changed copy loses nothing. */
export function parseConfig(bytes: Uint8Array, what = "the image configuration"): ImageConfig {
  const value = parseJson(bytes, what, documentLimits);
  checkDocument(value, what, config);
  return withoutNulls(value) as ImageConfig;
}

/** Reads one descriptor that stands alone. */
export function parseDescriptor(bytes: Uint8Array, what = "the descriptor"): Descriptor {
  const value = parseJson(bytes, what, documentLimits);
  checkDocument(value, what, descriptor);
  return withoutNulls(value) as Descriptor;
}

/** Whether a media type is that of an index or manifest list. */
export function isIndexType(type: string): boolean {
  return type === mediaTypes.index || type === mediaTypes.dockerIndex;
}

/** Whether a media type is that of an image manifest. */
export function isManifestType(type: string): boolean {
  return type === mediaTypes.manifest || type === mediaTypes.dockerManifest;
}

/** The bytes of a document that we make: keys sorted, no white space, so that equal documents have equal digests. */
export function serializeDocument(document: Manifest | Index | ImageConfig): Uint8Array {
  return Buffer.from(canonicalJson(document), "utf8");
}

/** Reads and checks the manifest that a descriptor names. */
export async function readManifest(source: BlobSource, about: Descriptor): Promise<Manifest> {
  const bytes = await readDocument(source, about);
  const manifest = parseManifest(bytes, `the manifest ${about.digest}`, { bare: true });
  sameType(about, manifest.mediaType);
  return manifest;
}

/** Reads and checks the index that a descriptor names. */
export async function readIndex(source: BlobSource, about: Descriptor): Promise<Index> {
  const found = parseIndex(await readDocument(source, about), `the index ${about.digest}`);
  sameType(about, found.mediaType);
  return found;
}

/** Reads and checks the image configuration that a descriptor names. */
export async function readConfig(source: BlobSource, about: Descriptor): Promise<ImageConfig> {
  return parseConfig(await readDocument(source, about), `the image configuration ${about.digest}`);
}

/** The verified bytes of a small document. */
export async function readDocument(source: BlobSource, about: Descriptor): Promise<Uint8Array> {
  if (about.size > documentLimits.bytes) {
    throw new WhittleError(
      "IMAGE_INVALID",
      `Cannot read the document ${about.digest}: it has ${about.size} bytes, at most ${documentLimits.bytes} are accepted`,
    );
  }
  return readContent(await source.blob(about));
}

function sameType(about: Descriptor, stated: string | undefined): void {
  if (stated === undefined || stated === about.mediaType) return;
  throw new WhittleError(
    "IMAGE_INVALID",
    `Cannot read ${about.digest}: it calls itself ${stated}, its descriptor says ${about.mediaType}`,
  );
}

/** One document must not be readable as two kinds (CVE-2021-41190). */
function unambiguous(document: unknown, own: readonly string[], foreign: readonly string[]): void {
  if (typeof document !== "object" || document === null) return;
  const keys = Object.keys(document).map((key) => key.toLowerCase());
  const found = foreign.find((key) => keys.includes(key.toLowerCase()));
  if (found !== undefined) refuse(found, found, `a document with ${own.join(" and ")} only`);
}

/** Go writes `null` for an absent list or map; here absence has one form. Changes the value, which is ours alone. */
function withoutNulls<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    for (const member of value) withoutNulls(member);
    return value;
  }
  const object = value as Record<string, unknown>;
  for (const key of Object.keys(object)) {
    if (object[key] === null) delete object[key];
    else withoutNulls(object[key]);
  }
  return value;
}
