export type {
  CacheChain,
  CacheDocument,
  CacheLayer,
  CacheLink,
  CacheRecord,
  CacheResult,
} from "./cache-document.ts";
export {
  cacheConfigType,
  parseCacheDocument,
  parseCacheRecords,
  serializeCacheDocument,
  serializeCacheRecords,
  unpackedAnnotation,
} from "./cache-document.ts";
export type { Provenance, Selection } from "./content/index.ts";
export { contentRecords, copiedSelections, mountedSelections } from "./content/index.ts";
export { RecordGraph } from "./record-graph.ts";
export { type ContentOf, RecordWriter, type VertexKnowledge } from "./record-writer.ts";
export type { Vertex, VertexInput } from "./vertex.ts";
export { Vertices } from "./vertices.ts";
