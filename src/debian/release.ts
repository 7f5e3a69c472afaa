import { WhittleError } from "../io/index.ts";
import { parseParagraphs } from "./deb822.ts";

/** A file that a release vouches for. */
export interface ReleaseFile {
  /** Below the release's directory: `main/binary-amd64/Packages.xz`. */
  readonly path: string;
  readonly size: number;
  /** Hex digits. */
  readonly sha256: string;
}

/** What a `Release` file says (Debian's repository format, "Release files"). */
export interface Release {
  readonly suite: string;
  readonly codename: string;
  /** Milliseconds since the epoch. */
  readonly date: number;
  readonly validUntil?: number;
  readonly acquireByHash: boolean;
  readonly architectures: readonly string[];
  /** Without the `updates/` that security archives put before. */
  readonly components: readonly string[];
  /** Whether packages for all architectures are listed only in indexes of their own. */
  readonly separateAll: boolean;
  readonly files: ReadonlyMap<string, ReleaseFile>;
}

/**
 * Reads the text of a release whose signature has been verified.
 *
 * @param what - its name for an error
 * @throws WhittleError `ARCHIVE_CORRUPT`; `ARCHIVE_UNTRUSTED` when it lists no SHA-256 sums
 */
export function parseRelease(text: string, what: string): Release {
  const [fields, ...more] = parseParagraphs(text, what);
  if (fields === undefined || more.length > 0) throw invalid(what, "it is not one paragraph of fields");
  const need = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined) throw invalid(what, `it has no ${name} field`);
    return value;
  };
  const sums = fields.get("sha256");
  if (sums === undefined) {
    throw new WhittleError(
      "ARCHIVE_UNTRUSTED",
      `Cannot use ${what}: it lists no SHA256 sums, weaker ones are not accepted`,
    );
  }
  const until = fields.get("valid-until");
  const architectures = words(need("architectures"));
  const suite = fields.get("suite") ?? "";
  return {
    suite,
    codename: fields.get("codename") ?? suite,
    date: releaseTime(need("date"), what),
    ...(until === undefined ? {} : { validUntil: releaseTime(until, what) }),
    acquireByHash: fields.get("acquire-by-hash") === "yes",
    architectures: architectures.filter((architecture) => architecture !== "all"),
    components: words(need("components")).map((component) => component.replace(/^updates\//, "")),
    separateAll:
      architectures.includes("all") &&
      !words(fields.get("no-support-for-architecture-all") ?? "").includes("Packages"),
    files: releaseFiles(sums, what),
  };
}

function releaseFiles(sums: string, what: string): Map<string, ReleaseFile> {
  const files = new Map<string, ReleaseFile>();
  for (const line of sums.split("\n")) {
    if (line.trim() === "") continue;
    const match = /^\s*([0-9a-f]{64})\s+(\d{1,15})\s+(\S+)$/.exec(line);
    const [, sha256 = "", size = "", path = ""] = match ?? [];
    if (match === null || path.startsWith("/") || path.split("/").includes("..")) {
      throw invalid(what, `the line ${JSON.stringify(line.slice(0, 120))} names no file with its SHA256`);
    }
    files.set(path, { path, sha256, size: Number(size) });
  }
  return files;
}

/** Reads a date as releases carry it, always in UTC: `Sat, 12 Sep 2026 07:55:41 UTC`. */
function releaseTime(text: string, what: string): number {
  const match = /^[A-Z][a-z]{2}, (\d{1,2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2}) (?:UTC|GMT|\+0000)$/.exec(
    text.trim(),
  );
  const time = Date.parse(`${match?.[1] ?? ""} UTC`);
  if (Number.isNaN(time)) throw invalid(what, `${JSON.stringify(text.slice(0, 60))} is not a date in UTC`);
  return time;
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function invalid(what: string, found: string): WhittleError {
  return new WhittleError("ARCHIVE_CORRUPT", `Cannot read ${what}: ${found}`);
}
