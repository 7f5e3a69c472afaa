export type { Artifact, ImageParts } from "./assemble.ts";
export { configPlatform, writeArtifact, writeBlob, writeImage, writeIndex } from "./assemble.ts";
export { readConfig, readDocument, readIndex, readManifest } from "./documents.ts";
export type { Image, LayerView, PlatformImage } from "./image.ts";
export { listPlatforms, openImage, platformsOf } from "./image.ts";
export type { LayerCompression, WriteLayerOptions } from "./layer.ts";
export { layerEntries, layerMediaType, writeLayer } from "./layer.ts";
export type { ApplyLayerOptions } from "./layer-apply.ts";
export { applyLayer } from "./layer-apply.ts";
export { changesOfLayer } from "./layer-changes.ts";
export { measureLayer } from "./layer-measures.ts";
export {
  documentLimits,
  isIndexType,
  isManifestType,
  parseConfig,
  parseDescriptor,
  parseIndex,
  parseManifest,
  parseManifestOrIndex,
  serializeDocument,
} from "./manifest.ts";
export {
  allPlatforms,
  choosePlatform,
  debianArchitecture,
  formatPlatform,
  hostPlatform,
  matchPlatform,
  normalizePlatform,
  parsePlatform,
  statedPlatform,
} from "./platform.ts";
export type { ReadTreeOptions } from "./read-tree.ts";
export { readTree, unpackedLayer } from "./read-tree.ts";
export type { NameReference, NameTransport, PathReference, PathTransport, Reference } from "./reference.ts";
export { formatReference, isPathReference, parseReference, storeName } from "./reference.ts";
export type {
  BlobSink,
  BlobSource,
  ContainerConfig,
  Descriptor,
  Healthcheck,
  History,
  ImageConfig,
  Index,
  LayerRecord,
  Manifest,
  Platform,
} from "./types.ts";
export { mediaTypes } from "./types.ts";
export { childrenOf, copyReachable, overlaySource, reachable, staysElsewhere } from "./walk.ts";
export { windowsFiles } from "./windows-layer.ts";
