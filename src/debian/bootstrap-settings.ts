import { documentationRules } from "./bootstrap-documentation.ts";

/** A text file of a bootstrapped system: its path and mode. */
export interface SettingsFile {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** One release that apt inside of the system shall use. */
export interface UsedSuite {
  readonly suite: string;
  readonly mirror: string;
}

/** What apt inside of the system shall use. */
export interface UsedArchive {
  readonly suites: readonly UsedSuite[];
  readonly components: readonly string[];
  /** A snapshot is past its date of expiry by nature. */
  readonly snapshot: boolean;
}

/** The file that lists apt's sources, as on every Debian since bookworm. */
export const sourcesPath = "/etc/apt/sources.list.d/debian.sources";

/**
 * The sources of a system in deb822 style (sources.list(5)), one paragraph a mirror.
 *
 * @param keyring - the file with the archive's keys inside of the system; apt looks for one itself without it
 */
export function aptSourcesText(archive: UsedArchive, keyring: string | undefined): string {
  const byMirror = new Map<string, string[]>();
  for (const { suite, mirror } of archive.suites) {
    byMirror.set(mirror, [...(byMirror.get(mirror) ?? []), suite]);
  }
  return [...byMirror]
    .map(
      ([mirror, suites]) =>
        `Types: deb\nURIs: ${mirror}\nSuites: ${suites.join(" ")}\nComponents: ${archive.components.join(" ")}\n` +
        (keyring === undefined ? "" : `Signed-By: ${keyring}\n`) +
        (archive.snapshot ? "Check-Valid-Until: no\n" : ""),
    )
    .join("\n");
}

const downloads = "/var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin";

/**
 * What makes a system fit for containers, under the names that Debian's own images use, which Dockerfiles know: no
 * downloads are kept, lists stay compressed, no translations are fetched, nothing is flushed to disk package by
 * package, no service is started when its package is installed.
 */
export const containerSettings: readonly SettingsFile[] = [
  {
    path: "/etc/apt/apt.conf.d/docker-autoremove-suggests",
    text: 'Apt::AutoRemove::SuggestsImportant "false";\n',
    mode: 0o644,
  },
  {
    path: "/etc/apt/apt.conf.d/docker-clean",
    text:
      `DPkg::Post-Invoke { "rm -f ${downloads} || true"; };\n` +
      `APT::Update::Post-Invoke { "rm -f ${downloads} || true"; };\n` +
      'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n',
    mode: 0o644,
  },
  {
    path: "/etc/apt/apt.conf.d/docker-gzip-indexes",
    text: 'Acquire::GzipIndexes "true";\n',
    mode: 0o644,
  },
  { path: "/etc/apt/apt.conf.d/docker-no-languages", text: 'Acquire::Languages "none";\n', mode: 0o644 },
  { path: "/etc/dpkg/dpkg.cfg.d/docker", text: documentationRules, mode: 0o644 },
  { path: "/etc/dpkg/dpkg.cfg.d/docker-apt-speedup", text: "force-unsafe-io\n", mode: 0o644 },
  {
    path: "/usr/sbin/policy-rc.d",
    text: "#!/bin/sh\n# No service starts because its package was installed (invoke-rc.d(8)).\nexit 101\n",
    mode: 0o755,
  },
];
