import { join } from "node:path";
import { type Digest, WhittleError, type Work } from "../io/index.ts";
import type { ArchiveOptions, IndexFile, ReleaseInfo } from "./archive-options.ts";
import { fetchFile } from "./fetch-file.ts";
import { fetchIndex, fetchIndexIfServed, wantedIndexes } from "./fetch-index.ts";
import { httpClient } from "./http.ts";
import { type LoadedRelease, loadRelease } from "./load-release.ts";
import type { DebianArchitecture, PackageRecord } from "./package.ts";
import { archiveDigest, planReleases } from "./release-state.ts";

/** A suite of the Debian archive with its updates, verified. */
export interface Archive {
  /** The releases in use; those that the server does not have are left out. */
  readonly suites: readonly ReleaseInfo[];
  /** Of all releases in use: the archive's state, for keys of a cache. */
  readonly digest: Digest;
  /**
   * The verified `Packages` files for an architecture.
   *
   * @throws WhittleError `PLATFORM_UNSUPPORTED` when the suite does not have it, `ARCHIVE_UNTRUSTED`, `NETWORK`
   */
  indexes(architecture: DebianArchitecture, work?: Work): Promise<readonly IndexFile[]>;
  /**
   * Makes sure that a package is in the cache; the answer is its path.
   *
   * @throws WhittleError `ARCHIVE_UNTRUSTED`, `NETWORK`, `DISK_FULL`
   */
  fetch(record: PackageRecord, work: Work): Promise<string>;
}

/**
 * Opens a suite: finds the mirrors, loads its releases and verifies their signatures and dates.
 *
 * @throws WhittleError `ARCHIVE_UNTRUSTED`, `ARCHIVE_EXPIRED`, `NETWORK`, `NOT_FOUND`, `ENVIRONMENT`
 */
export async function openArchive(options: ArchiveOptions, work: Work): Promise<Archive> {
  const { plans, mirrors } = await planReleases(options);
  if (mirrors.security === undefined && options.security !== false) {
    work.progress({
      kind: "warning",
      text: `no security mirror is known beside ${mirrors.main}: security updates are left out`,
    });
  }
  const client = httpClient(options.environment, options.http);
  const loaded = await allOrFirstFailure(
    plans.map((plan) => loadRelease(plan, options, mirrors, client, work)),
  );
  const components = options.components ?? ["main"];
  const [main] = loaded;
  if (main?.release !== undefined) checkComponents(main, components);
  const fetching = new Map<string, Promise<string>>();

  return {
    suites: loaded.flatMap(releaseInfo),
    digest: archiveDigest(
      plans,
      loaded.map(({ state }) => state),
    ),
    async indexes(architecture, ownWork = work) {
      checkArchitecture(loaded, architecture, options.suite);
      const wanted = loaded.flatMap((release) => wantedIndexes(release, components, architecture));
      const files = await allOrFirstFailure(
        wanted.map(async (index) =>
          index.loaded.plan.optional
            ? fetchIndexIfServed(index, options, client, ownWork, Date.now())
            : [await fetchIndex(index, options.cacheDirectory, client, ownWork)],
        ),
      );
      return files.flat();
    },
    fetch(record, ownWork) {
      // Platforms share packages for all architectures; one download serves them all.
      let pending = fetching.get(record.sha256);
      if (pending === undefined) {
        const path = packagePath(options.cacheDirectory, record);
        pending = fetchFile(
          {
            url: packageUrl(record),
            path,
            size: record.size,
            sha256: record.sha256,
            label: `${record.name} ${record.version} (${record.architecture})`,
            group: `download packages (${record.architecture})`,
          },
          client,
          ownWork,
        )
          .then(() => path)
          .finally(() => fetching.delete(record.sha256));
        fetching.set(record.sha256, pending);
      }
      return pending;
    },
  };
}

/** Where the cache keeps the archive of a package. */
export function packagePath(cacheDirectory: string, record: PackageRecord): string {
  if (!/^[0-9a-f]{64}$/.test(record.sha256)) {
    throw new WhittleError(
      "ARCHIVE_CORRUPT",
      `Cannot fetch ${record.name}: the index gives it no SHA256 of 64 hex digits`,
    );
  }
  return join(cacheDirectory, "debian", "packages", record.sha256.slice(0, 2), `${record.sha256}.deb`);
}

function packageUrl(record: PackageRecord): string {
  const parts = record.filename.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) {
    throw new WhittleError(
      "ARCHIVE_HOSTILE",
      `Cannot fetch ${record.name}: its file name ${JSON.stringify(record.filename)} leaves the archive`,
    );
  }
  return `${record.mirror}/${parts.map((part) => encodeURI(part)).join("/")}`;
}

function releaseInfo({ plan, state, release }: LoadedRelease): ReleaseInfo[] {
  if (release === undefined || state.sha256 === undefined) return [];
  return [
    {
      suite: plan.suite,
      codename: release.codename,
      mirror: plan.mirror,
      sha256: state.sha256,
      date: release.date,
      ...(release.validUntil === undefined ? {} : { validUntil: release.validUntil }),
      architectures: release.architectures,
      components: release.components,
    },
  ];
}

function checkComponents({ plan, release }: LoadedRelease, components: readonly string[]): void {
  for (const component of components) {
    if (release?.components.includes(component) === true) continue;
    throw new WhittleError(
      "RECIPE_INVALID",
      `Cannot use the component "${component}" of ${plan.suite}: it has ${release?.components.join(", ") ?? "none"}`,
    );
  }
}

function checkArchitecture(
  [main]: readonly LoadedRelease[],
  architecture: DebianArchitecture,
  suite: string,
): void {
  const possible = main?.release?.architectures ?? [];
  if (possible.includes(architecture)) return;
  throw new WhittleError(
    "PLATFORM_UNSUPPORTED",
    `Cannot build for the Debian architecture "${architecture}" from ${suite}: it has ${possible.join(", ")}`,
    { hint: "name a suite that has it for this platform under `from:` in whittle.yaml" },
  );
}

/** Waits for all to settle before a failure is passed on, so that nothing goes on behind the caller's back. */
async function allOrFirstFailure<T>(tasks: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(tasks);
  const failed = settled.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}
