import { canonicalJson } from "../io/index.ts";
import { checkDocument, type DocumentLimits, parseJson, refuse } from "./json.ts";
import { bareManifest, config, descriptor, index, ociManifest } from "./shapes.ts";
import { type Descriptor, type ImageConfig, type Index, type Manifest, mediaTypes } from "./types.ts";

/**
 * What registries accept for a manifest (distribution-spec: 4 MiB at least); configs with long histories fit too. So
 * many values are descriptors that fill 4 MiB, and not an empty object every three bytes.
 */
export const documentLimits = { bytes: 4 * 1024 * 1024, depth: 32, values: 200_000 } as const;

/**
 * Reads an image manifest (image-spec, "OCI Image Manifest Specification"; Docker's schema 2 likewise).
 *
 * @param what - its name in an error
 * @param options - `bare`: take what the specification forbids and others make: an image without layers, and an
 *   artifact without a type beside its empty config
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
    if (!bare && about.mediaType === mediaTypes.empty && artifactType === undefined) {
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
