import type { Environment } from "../io/index.ts";
import type { HttpOptions } from "./http.ts";
import type { DebianArchitecture } from "./package.ts";

/** Which archive, and how it is to be trusted and kept. */
export interface ArchiveOptions {
  /** A codename or suite: `trixie`, `stable`. */
  readonly suite: string;
  readonly architectures: readonly DebianArchitecture[];
  /** `["main"]` when absent. */
  readonly components?: readonly string[];
  readonly mirror?: string;
  readonly securityMirror?: string;
  /** The archive as it was at a moment: `YYYYMMDDTHHMMSSZ`. */
  readonly snapshot?: string;
  /** The server of snapshots; `$DEBIAN_SNAPSHOT_MIRROR` when absent. */
  readonly snapshotMirror?: string;
  /** Whether `SUITE-updates` counts, where it exists; yes when absent. */
  readonly updates?: boolean;
  /** Whether `SUITE-security` counts, where it exists; yes when absent. */
  readonly security?: boolean;
  /** Accepts a release that is past its Valid-Until. */
  readonly acceptExpired?: boolean;
  /** OpenPGP keyring files that are trusted beside the keys of the Debian archive. */
  readonly keyrings?: readonly string[];
  /** Where downloads are kept: everything goes below `debian/` in it. */
  readonly cacheDirectory: string;
  /** Asks the mirror now; otherwise a release checked less than an hour ago is used as it is. */
  readonly refresh?: boolean;
  /** Proxies, and mirrors where the recipe names none. */
  readonly environment: Environment;
  /** apt's configuration directory; `/etc/apt` when absent. */
  readonly aptDirectory?: string;
  readonly http?: HttpOptions;
}

/** A release in use. */
export interface ReleaseInfo {
  /** As asked for: `trixie`, `trixie-updates`, `trixie-security`. */
  readonly suite: string;
  readonly codename: string;
  readonly mirror: string;
  /** Of its `InRelease`, hex digits. */
  readonly sha256: string;
  /** Milliseconds since the epoch. */
  readonly date: number;
  readonly validUntil?: number;
  readonly architectures: readonly DebianArchitecture[];
  readonly components: readonly string[];
}

/** A verified `Packages` file on disk, not compressed. */
export interface IndexFile {
  readonly path: string;
  readonly suite: string;
  readonly component: string;
  /** The architecture it was asked for; holds packages for `all` too. */
  readonly architecture: DebianArchitecture;
  /** Base address that the file names in it are below. */
  readonly mirror: string;
  /** Of the file, hex digits. */
  readonly sha256: string;
  readonly size: number;
}
