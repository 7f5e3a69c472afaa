import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  canonicalJson,
  type Digest,
  digestHex,
  explainSystemError,
  sha256,
  WhittleError,
  writeFileAtomically,
} from "../io/index.ts";
import type { ArchiveOptions } from "./archive-options.ts";
import { chooseMirrors, type Mirrors } from "./mirrors.ts";

/** A release that an archive is made of. */
export interface ReleasePlan {
  readonly suite: string;
  readonly mirror: string;
  /** Only updates and security may be absent from the server. */
  readonly optional: boolean;
  /** Names what is known of it in the cache. */
  readonly key: string;
}

/** What is known of a release since the server was last asked. */
export interface ReleaseState {
  readonly format: 1;
  /** When, milliseconds since the epoch. */
  readonly checked: number;
  /** Of the `InRelease`, hex digits; absent where the server has none. */
  readonly sha256?: string;
  /** Of the text that was signed, kept beside. */
  readonly text?: string;
  readonly date?: number;
  readonly validUntil?: number;
  readonly etag?: string;
  readonly lastModified?: string;
}

const hour = 3_600_000;
const suiteShape = /^[a-z0-9][a-z0-9.+-]*(?:\/updates)?$/;
const withoutCompanions = /^(?:sid|unstable|experimental|rc-buggy)$|-|\//;

/** Decides which releases, from which mirrors, an archive is made of. */
export async function planReleases(
  options: ArchiveOptions,
): Promise<{ readonly plans: readonly ReleasePlan[]; readonly mirrors: Mirrors }> {
  const { suite } = options;
  if (!suiteShape.test(suite)) {
    throw new WhittleError(
      "RECIPE_INVALID",
      `Cannot use the suite ${JSON.stringify(suite.slice(0, 80))}: a name like "trixie" is wanted`,
    );
  }
  const mirrors = await chooseMirrors(options);
  const trust = await trustKey(options.keyrings ?? []);
  const plan = (name: string, mirror: string, optional: boolean): ReleasePlan => ({
    suite: name,
    mirror,
    optional,
    key: digestHex(sha256(canonicalJson([mirror, name, trust]))).slice(0, 32),
  });
  const plans = [plan(suite, mirrors.main, false)];
  const alone = withoutCompanions.test(suite);
  if (!alone && options.updates !== false) plans.push(plan(`${suite}-updates`, mirrors.main, true));
  if (!alone && options.security !== false && mirrors.security !== undefined) {
    plans.push(plan(`${suite}-security`, mirrors.security, true));
  }
  return { plans, mirrors };
}

/** What was verified with other keys does not count as verified with these. */
async function trustKey(keyrings: readonly string[]): Promise<string[]> {
  const read = async (path: string): Promise<string> => {
    const bytes = await readFile(path).catch((error: unknown) => {
      throw explainSystemError(error, `read the keyring ${path}`);
    });
    return sha256(bytes);
  };
  return (await Promise.all(keyrings.map(read))).sort();
}

/** Whether the server need not be asked again; a snapshot never changes. */
export function isFresh(state: ReleaseState, mirrors: Mirrors, now: number): boolean {
  return mirrors.asOf !== undefined || (state.checked <= now && now - state.checked < hour);
}

/** Whether a release is past its Valid-Until at the moment that counts. */
export function isExpired(state: ReleaseState, mirrors: Mirrors, now: number): boolean {
  return state.validUntil !== undefined && state.validUntil < (mirrors.asOf ?? now);
}

/** The state of the whole archive: what all its releases are, whatever mirror served them. */
export function archiveDigest(plans: readonly ReleasePlan[], states: readonly ReleaseState[]): Digest {
  return sha256(plans.map(({ suite }, at) => `${suite} ${states[at]?.sha256 ?? "-"}\n`).join(""));
}

/** Where the cache keeps releases. */
export function releaseDirectory(cacheDirectory: string): string {
  return join(cacheDirectory, "debian", "releases");
}

/** Reads what is known of a release; nothing is known when the file is absent or damaged. */
export async function readState(cacheDirectory: string, key: string): Promise<ReleaseState | undefined> {
  try {
    const text = await readFile(join(releaseDirectory(cacheDirectory), `${key}.json`), "utf8");
    const state = JSON.parse(text) as ReleaseState;
    return state.format === 1 && Number.isFinite(state.checked) ? state : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps what is known of a release. */
export async function writeState(cacheDirectory: string, key: string, state: ReleaseState): Promise<void> {
  await writeFileAtomically(join(releaseDirectory(cacheDirectory), `${key}.json`), canonicalJson(state));
}

/**
 * The releases that an archive is made of and the mirrors that serve them, without those of which the cache knows that
 * the mirror has none; no network, nothing heavy.
 */
export async function archiveSuites(
  options: ArchiveOptions,
): Promise<{ readonly suite: string; readonly mirror: string }[]> {
  const { plans } = await planReleases(options);
  const states = await Promise.all(plans.map(({ key }) => readState(options.cacheDirectory, key)));
  return plans.flatMap(({ suite, mirror, optional }, at) =>
    optional && states[at]?.sha256 === undefined ? [] : [{ suite, mirror }],
  );
}

/**
 * The digest of the archive's state where the cache knows it and it is still fresh; no network, nothing heavy.
 * `undefined` means that the archive has to be opened to know.
 */
export async function archiveState(options: ArchiveOptions): Promise<Digest | undefined> {
  if (options.refresh === true) return undefined;
  const { plans, mirrors } = await planReleases(options);
  const states = await Promise.all(plans.map(({ key }) => readState(options.cacheDirectory, key)));
  const now = Date.now();
  const known: ReleaseState[] = [];
  for (const state of states) {
    if (state === undefined || !isFresh(state, mirrors, now)) return undefined;
    if (isExpired(state, mirrors, now) && options.acceptExpired !== true) return undefined;
    known.push(state);
  }
  return archiveDigest(plans, known);
}
