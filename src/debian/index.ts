export type { Archive } from "./archive.ts";
export { openArchive, packagePath } from "./archive.ts";
export type { ArchiveOptions, IndexFile, ReleaseInfo } from "./archive-options.ts";
export type { HttpOptions } from "./http.ts";
export { archiveState } from "./release-state.ts";
export type { DebianArchitecture, PackageRecord, Resolution } from "./package.ts";
export { packageDigest } from "./package.ts";
