import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { digestHex, sha256, WhittleError, type Work, writeFileAtomically } from "../io/index.ts";
import type { ArchiveOptions } from "./archive-options.ts";
import type { HttpClient } from "./http.ts";
import type { Mirrors } from "./mirrors.ts";
import { parseRelease, type Release } from "./release.ts";
import {
  isExpired,
  isFresh,
  type ReleasePlan,
  type ReleaseState,
  readState,
  releaseDirectory,
  writeState,
} from "./release-state.ts";
import { verifySigned } from "./signature.ts";

/** A release with what is known of it; `release` is absent where the server has none. */
export interface LoadedRelease {
  readonly plan: ReleasePlan;
  readonly state: ReleaseState;
  readonly release?: Release;
}

const mostReleaseBytes = 16 * 1024 * 1024;
// Clocks differ a little; a release from further ahead is not from this world.
const mostAhead = 5 * 60_000;

/**
 * Loads a release from the cache, or from the mirror when the cache has none or has not been checked lately.
 *
 * @throws WhittleError `ARCHIVE_UNTRUSTED`, `ARCHIVE_EXPIRED`, `ARCHIVE_CORRUPT`, `NETWORK`, `NOT_FOUND`
 */
export async function loadRelease(
  plan: ReleasePlan,
  options: ArchiveOptions,
  mirrors: Mirrors,
  client: HttpClient,
  work: Work,
): Promise<LoadedRelease> {
  const context: Context = { plan, options, mirrors, client, work };
  const known = await loadKnown(context);
  const now = Date.now();
  if (known !== undefined && options.refresh !== true && isFresh(known.state, mirrors, now)) {
    return unexpired(known, context);
  }
  try {
    return unexpired(await askMirror(context, known), context);
  } catch (error) {
    const unreachable = error instanceof WhittleError && error.code === "NETWORK";
    if (!unreachable || known === undefined || options.refresh === true) throw error;
    work.progress({
      kind: "warning",
      text: `the release ${plan.suite} is used as it was last seen: ${error.message}`,
    });
    return unexpired(known, context);
  }
}

interface Context {
  readonly plan: ReleasePlan;
  readonly options: ArchiveOptions;
  readonly mirrors: Mirrors;
  readonly client: HttpClient;
  readonly work: Work;
}

async function loadKnown({ plan, options }: Context): Promise<LoadedRelease | undefined> {
  const state = await readState(options.cacheDirectory, plan.key);
  if (state === undefined) return undefined;
  if (state.sha256 === undefined) return { plan, state };
  const path = join(releaseDirectory(options.cacheDirectory), `${state.sha256}.release`);
  const text = await readFile(path, "utf8").catch(() => "");
  if (digestHex(sha256(text)) !== state.text) return undefined;
  return { plan, state, release: parseRelease(text, plan.suite) };
}

async function askMirror(context: Context, known: LoadedRelease | undefined): Promise<LoadedRelease> {
  const { plan, options, client, work } = context;
  const url = `${plan.mirror}/dists/${plan.suite}/InRelease`;
  const id = `release:${plan.key}`;
  work.progress({ kind: "start", id, label: `check release ${plan.suite}` });
  try {
    const answer = await client.document(url, {
      limit: mostReleaseBytes,
      validators: known?.release === undefined ? {} : known.state,
      signal: work.signal,
    });
    const checked = Date.now();
    const loaded = await accept(context, answer.kind === "found" ? answer : undefined, {
      ...(known !== undefined && answer.kind !== "absent" ? { known } : {}),
      url,
      checked,
    });
    await writeState(options.cacheDirectory, plan.key, loaded.state);
    const same = known?.state.sha256 === loaded.state.sha256;
    work.progress({ kind: "done", id, outcome: same ? "cached" : "done" });
    return loaded;
  } catch (error) {
    work.progress({ kind: "done", id, outcome: work.signal.aborted ? "cancelled" : "failed" });
    throw error;
  }
}

/** Turns the server's answer into a release: a new one, the known one, or none. */
async function accept(
  context: Context,
  found: { readonly bytes: Buffer; readonly validators: object } | undefined,
  about: { readonly known?: LoadedRelease; readonly url: string; readonly checked: number },
): Promise<LoadedRelease> {
  const { plan, options } = context;
  const { known, url, checked } = about;
  if (found === undefined) {
    if (known !== undefined) return { ...known, state: { ...known.state, checked } };
    if (plan.optional) return { plan, state: { format: 1, checked } };
    throw new WhittleError("NOT_FOUND", `Cannot find the suite "${plan.suite}": the mirror has no ${url}`, {
      hint: "check the suite's name (trixie, bookworm, forky…) and the mirror",
    });
  }
  const inReleaseHash = digestHex(sha256(found.bytes));
  if (known?.state.sha256 === inReleaseHash) return { ...known, state: { ...known.state, checked } };
  const what = `the release ${plan.suite} (${url})`;
  const { text } = await verifySigned(found.bytes, what, {
    keyrings: options.keyrings ?? [],
    at: context.mirrors.asOf ?? checked,
  });
  const release = parseRelease(text, what);
  checkIdentity(release, plan, what);
  checkDate(release, context.mirrors.asOf ?? checked, what);
  // Mirrors behind one name are not always equally far; nobody may take us back to an older release.
  if (known?.release !== undefined && release.date < known.release.date) {
    return { ...known, state: { ...known.state, checked } };
  }
  const path = join(releaseDirectory(options.cacheDirectory), `${inReleaseHash}.release`);
  await writeFileAtomically(path, text);
  const { date, validUntil } = release;
  const state: ReleaseState = {
    format: 1,
    checked,
    sha256: inReleaseHash,
    text: digestHex(sha256(text)),
    date,
    ...(validUntil === undefined ? {} : { validUntil }),
    ...found.validators,
  };
  return { plan, state, release };
}

/** A good signature on another suite's release proves nothing about this one. */
function checkIdentity(release: Release, plan: ReleasePlan, what: string): void {
  const names = [release.suite, release.codename];
  if (names.includes(plan.suite) || names.some((name) => `${name}/updates` === plan.suite)) return;
  throw new WhittleError(
    "ARCHIVE_UNTRUSTED",
    `Cannot use ${what}: it is the release of "${release.suite}" (${release.codename})`,
    { hint: "the mirror serves another suite under this name; choose another mirror" },
  );
}

function checkDate(release: Release, now: number, what: string): void {
  if (release.date <= now + mostAhead) return;
  throw new WhittleError(
    "ARCHIVE_UNTRUSTED",
    `Cannot use ${what}: its date ${new Date(release.date).toISOString()} is in the future`,
    { hint: "check this machine's clock" },
  );
}

function unexpired(loaded: LoadedRelease, { options, mirrors, plan }: Context): LoadedRelease {
  if (options.acceptExpired === true || !isExpired(loaded.state, mirrors, Date.now())) return loaded;
  const until = new Date(loaded.state.validUntil ?? 0).toISOString().replace(/\.000Z$/, "Z");
  throw new WhittleError(
    "ARCHIVE_EXPIRED",
    `Cannot use the release ${plan.suite}: it was valid until ${until}, a current one is wanted`,
    {
      hint: "choose a mirror that is up to date, or accept it with `acceptExpired: true` under `from:` in whittle.yaml",
    },
  );
}
