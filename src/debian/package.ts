import type { Digest } from "../io/index.ts";

/** A Debian architecture name (`amd64`, `armhf`, …). */
export type DebianArchitecture = string;

/** One version of a package as a `Packages` index describes it; what the resolver and the fetcher need. */
export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  /** `all` or a real architecture. */
  readonly architecture: DebianArchitecture;
  /** Source package, where it differs in name or version. */
  readonly source?: string;
  /** Pool path below the mirror. */
  readonly filename: string;
  readonly size: number;
  readonly sha256: string;
  /** Kilobytes that it takes once installed, as it claims. */
  readonly installedSize: number;
  /** Base address of the mirror that the index came from, without a trailing slash. */
  readonly mirror: string;
  /** The suite whose index named it: `trixie`, `trixie-updates`, `trixie-security`. */
  readonly suite: string;
}

/** What a resolver answers: the set in an order in which dependencies come first where there is no cycle. */
export interface Resolution {
  readonly architecture: DebianArchitecture;
  readonly packages: readonly PackageRecord[];
}

/** The digest by which a package's archive is known. */
export function packageDigest(record: PackageRecord): Digest {
  return `sha256:${record.sha256}`;
}
