export { contentChecksum, type Provenance } from "./checksum.ts";
export type { Choice } from "./included.ts";
export { contentRecords, copiedSelections, mountedSelections, type Selection } from "./selection.ts";
