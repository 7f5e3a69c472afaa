import { type Solver, type Step, stepsOf } from "../build/index.ts";
import {
  formatPlatform,
  formatReference,
  isPathReference,
  type Platform,
  parseReference,
} from "../image/index.ts";
import { type Digest, isDigest, redact, WhittleError } from "../io/index.ts";

/** What a build of a Dockerfile took from outside of its context. */
export interface DockerfileLock {
  /** Manifests of base images by name and platform. */
  readonly bases: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Digests of fetched files, and commits, by address. */
  readonly sources: Readonly<Record<string, string>>;
}

/** Notes which bases a build takes, and holds it to what an earlier one took. */
export class BaseLedger {
  readonly #locked: DockerfileLock | undefined;
  readonly #noted = new Map<string, Map<string, string>>();

  constructor(locked: DockerfileLock | undefined) {
    this.#locked = locked;
  }

  /**
   * The name under which a base is to be looked up: with the digest that was recorded, if there is a record.
   *
   * @throws WhittleError `NOT_FOUND` when the record does not know the base
   */
  wanted(name: string, platform: Platform): string {
    if (this.#locked === undefined) return name;
    const digest = this.#locked.bases[name]?.[formatPlatform(platform)];
    if (digest === undefined || !isDigest(digest))
      throw unrecorded(`${name} for ${formatPlatform(platform)}`);
    const reference = parseReference(name);
    return isPathReference(reference) ? name : formatReference({ ...reference, digest });
  }

  /**
   * Notes a base that was made and not looked up, and holds it to the record.
   *
   * @throws WhittleError `DIGEST_MISMATCH` when it has come to something else, `NOT_FOUND` when it is not recorded
   */
  hold(name: string, platform: Platform, digest: Digest): void {
    this.note(name, platform, digest);
    if (this.#locked === undefined) return;
    const recorded = this.#locked.bases[name]?.[formatPlatform(platform)];
    if (recorded === undefined) throw unrecorded(`${name} for ${formatPlatform(platform)}`);
    if (recorded === digest) return;
    throw new WhittleError(
      "DIGEST_MISMATCH",
      `Cannot build with --locked: ${name} is ${digest} now, whittle.lock records ${recorded}`,
      { hint: "a build without --locked takes and records what is there now" },
    );
  }

  note(name: string, platform: Platform, digest: Digest): void {
    const platforms = this.#noted.get(name) ?? new Map<string, string>();
    this.#noted.set(name, platforms.set(formatPlatform(platform), digest));
  }

  get bases(): DockerfileLock["bases"] {
    const entries = [...this.#noted].map(([name, platforms]) => [name, inOrder(platforms)] as const);
    return inOrder(entries);
  }
}

/** What the steps below some ends of a finished build fetched, by address. */
export async function fetchedSources(
  solver: Solver,
  ends: Iterable<Step>,
): Promise<DockerfileLock["sources"]> {
  const found = new Map<string, string>();
  const own = new Set(stepsOf(ends));
  for await (const { step, record } of solver.solved()) {
    if (!own.has(step)) continue;
    const { url, remote, ref } = (step.parameters ?? {}) as { url?: string; remote?: string; ref?: string };
    const { digest, commit } = (record ?? {}) as { digest?: string; commit?: string };
    if (url !== undefined && digest !== undefined) found.set(redact(url), digest);
    if (remote !== undefined && commit !== undefined) {
      found.set(redact(ref === undefined ? remote : `${remote}#${ref}`), commit);
    }
  }
  return inOrder(found);
}

/**
 * Holds what was fetched against the record.
 *
 * @throws WhittleError `DIGEST_MISMATCH` for a file or commit that is another one now, `NOT_FOUND` for one that was
 *   not recorded
 */
export function requireLocked(sources: DockerfileLock["sources"], locked: DockerfileLock): void {
  for (const [address, found] of Object.entries(sources)) {
    const wanted = locked.sources[address];
    if (wanted === undefined) throw unrecorded(address);
    if (wanted === found) continue;
    throw new WhittleError(
      "DIGEST_MISMATCH",
      `Cannot build with --locked: ${address} is ${found} now, whittle.lock records ${wanted}`,
      { hint: "a build without --locked takes and records what is there now" },
    );
  }
}

function unrecorded(what: string): WhittleError {
  return new WhittleError("NOT_FOUND", `Cannot build with --locked: whittle.lock does not record ${what}`, {
    hint: "build once without --locked",
  });
}

function inOrder<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  return Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
}
