import { type Environment, WhittleError } from "../io/index.ts";
import { type AptSource, aptSources, trimSlashes } from "./sources.ts";

/** Where the parts of a suite come from; base addresses without trailing slashes. */
export interface Mirrors {
  readonly main: string;
  /** Absent where none is known. */
  readonly security?: string;
  /** The moment of a snapshot, milliseconds since the epoch. */
  readonly asOf?: number;
}

/** What a recipe and the environment say about mirrors. */
export interface MirrorChoice {
  readonly mirror?: string | undefined;
  readonly securityMirror?: string | undefined;
  /** `YYYYMMDDTHHMMSSZ`, or `YYYYMMDD` for its first second. */
  readonly snapshot?: string | undefined;
  /** The server of snapshots; `$DEBIAN_SNAPSHOT_MIRROR` when absent. */
  readonly snapshotMirror?: string | undefined;
  readonly environment: Environment;
  /** apt's configuration directory; `/etc/apt` when absent. */
  readonly aptDirectory?: string | undefined;
}

/**
 * Chooses the mirrors: what the recipe says, else `$DEBIAN_MIRROR` and `$DEBIAN_SECURITY_MIRROR`, else the
 * machine's apt sources. A security mirror that is not named anywhere is looked for beside the main one.
 *
 * @throws WhittleError `ENVIRONMENT` when no mirror is known, `RECIPE_INVALID` for an address or date that is none
 */
export async function chooseMirrors(choice: MirrorChoice): Promise<Mirrors> {
  if (choice.snapshot !== undefined) return snapshotMirrors(choice, choice.snapshot);
  const { environment } = choice;
  const named = address(choice.mirror ?? environment["DEBIAN_MIRROR"], "mirror");
  const namedSecurity = address(
    choice.securityMirror ?? environment["DEBIAN_SECURITY_MIRROR"],
    "security mirror",
  );
  const sources = named === undefined ? await aptSources(choice.aptDirectory) : [];
  const main = named ?? bestOf(sources, "main");
  if (main === undefined) {
    throw new WhittleError(
      "ENVIRONMENT",
      "Cannot find a Debian mirror: this machine's apt sources name none, and DEBIAN_MIRROR is not set",
      { hint: "set DEBIAN_MIRROR, or write `mirror:` under `from:` in whittle.yaml" },
    );
  }
  const security = namedSecurity ?? bestOf(sources, "security") ?? siblingOf(main);
  return { main, ...(security === undefined ? {} : { security }) };
}

function snapshotMirrors(choice: MirrorChoice, snapshot: string): Mirrors {
  const asOf = snapshotTime(snapshot);
  if (asOf === undefined) {
    throw new WhittleError(
      "RECIPE_INVALID",
      `Cannot use the snapshot "${snapshot.slice(0, 40)}": it is not a moment like 20260912T000000Z`,
    );
  }
  const server = address(
    choice.snapshotMirror ?? choice.environment["DEBIAN_SNAPSHOT_MIRROR"],
    "snapshot mirror",
  );
  if (server === undefined) {
    throw new WhittleError(
      "ENVIRONMENT",
      `Cannot use the snapshot ${snapshot}: no snapshot mirror is known`,
      {
        hint: "set DEBIAN_SNAPSHOT_MIRROR, or write `snapshotMirror:` under `from:` in whittle.yaml",
      },
    );
  }
  const moment = snapshot.length === 8 ? `${snapshot}T000000Z` : snapshot;
  return {
    main: `${server}/archive/debian/${moment}`,
    security: `${server}/archive/debian-security/${moment}`,
    asOf,
  };
}

/** The moment that a snapshot's name stands for, in milliseconds since the epoch. */
export function snapshotTime(snapshot: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)Z)?$/.exec(snapshot);
  if (match === null) return undefined;
  const [, year, month, day, hour = "00", minute = "00", second = "00"] = match;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) ? undefined : time;
}

function address(text: string | undefined, what: string): string | undefined {
  if (text === undefined || text === "") return undefined;
  if (URL.canParse(text) && /^https?:\/\/[^/]/.test(text)) return trimSlashes(text);
  throw new WhittleError(
    "RECIPE_INVALID",
    `Cannot use the ${what} "${text.slice(0, 200)}": it is not an http or https address`,
  );
}

const debianSuite =
  /^(?:bullseye|bookworm|trixie|forky|duke|sid|stable|oldstable|oldoldstable|testing|unstable)(?:-updates|-security|-backports|-proposed-updates|\/updates)?$/;

/** Of all apt sources, the address that is most clearly Debian's own archive, or its security archive. */
function bestOf(sources: readonly AptSource[], kind: "main" | "security"): string | undefined {
  let best: { score: number; uri: string } | undefined;
  for (const source of sources) {
    const suites = source.suites.filter((suite) => debianSuite.test(suite));
    const secure = suites.filter((suite) => /(?:-security|\/updates)$/.test(suite));
    const fitting = kind === "security" ? secure : suites.filter((suite) => !secure.includes(suite));
    if (fitting.length === 0 || !source.components.includes("main")) continue;
    for (const uri of source.uris) {
      if (!/^https?:\/\//.test(uri)) continue;
      const score = scoreOf(source, uri, kind);
      if (best === undefined || score > best.score) best = { score, uri };
    }
  }
  return best?.uri;
}

/** Other vendors use Debian's suite names too; what tells the archive is its key, its path, its update suites. */
function scoreOf(source: AptSource, uri: string, kind: "main" | "security"): number {
  const last = uri.slice(uri.lastIndexOf("/") + 1);
  return (
    ((source.options.get("signed-by") ?? "").includes("debian-archive-") ? 4 : 0) +
    (last === (kind === "main" ? "debian" : "debian-security") ? 2 : 0) +
    (source.suites.some((suite) => suite.endsWith("-updates")) ? 1 : 0)
  );
}

function siblingOf(main: string): string | undefined {
  return main.endsWith("/debian") ? `${main}-security` : undefined;
}
