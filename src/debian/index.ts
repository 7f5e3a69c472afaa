export type { DebianArchitecture, PackageRecord, Resolution } from "./package.ts";
export { packageDigest } from "./package.ts";
