import { posix } from "node:path";
import { type CopiedSource, gitStep, httpStep, type Step } from "../../build/index.ts";
import { type GitReference, parseGitReference } from "../git-reference.ts";
import type { Instruction } from "../instruction.ts";
import { mistake, pointAt } from "../place.ts";
import type { PlanOptions } from "./options.ts";

type Copy = Extract<Instruction, { kind: "copy" | "add" }>;

/** Where something that ADD fetches comes from, and what of it is copied. */
export interface RemoteSource {
  readonly step: Step;
  readonly source: Omit<CopiedSource, "input">;
}

/** Whether a source of ADD is an address. */
export function isRemote(path: string): boolean {
  return /^(?:https?|git|ssh):\/\//i.test(path) || gitOf(path) !== undefined;
}

/** `github.com/…` and `name:…` could be paths as well, and for ADD they are. */
function gitOf(path: string): GitReference | undefined {
  return /^(?:[a-z]+:\/\/|[\w-]+@)/i.test(path) ? parseGitReference(path) : undefined;
}

/**
 * A file or git repository that ADD fetches. A file is taken apart only when `--unpack` says so.
 *
 * @throws WhittleError `DOCKERFILE_INVALID`
 */
export function remoteSource(
  instruction: Copy,
  url: string,
  checksum: string | undefined,
  options: PlanOptions,
): RemoteSource {
  const { place } = instruction;
  const git = gitOf(url);
  if (instruction.kind === "copy") {
    const what = git === undefined ? "a URL" : "a git ref";
    throw mistake(place, `source can't be ${what} for COPY`, { part: url, hint: "ADD fetches" });
  }
  if (git !== undefined) return gitSource(instruction, git, url, checksum, options);
  if (checksum !== undefined && !/^sha256:[0-9a-f]{64}$/.test(checksum)) {
    throw mistake(
      place,
      `invalid checksum ${JSON.stringify(checksum)}: sha256: and 64 hex digits are wanted`,
      { part: checksum },
    );
  }
  const name = fileName(url);
  const parameters = {
    url,
    name,
    mtime: options.epoch ?? 0,
    ...(checksum === undefined ? {} : { checksum }),
  };
  const { environment, secret } = options;
  return {
    step: httpStep(parameters, { environment, secret, at: pointAt(place, url) }),
    source: { path: `/${name}`, unpack: instruction.unpack ?? false, exact: true },
  };
}

/** The last part of the address's path, which is where ADD's file gets its name from. */
function fileName(url: string): string {
  const path = URL.canParse(url) ? new URL(url).pathname : "";
  let plain = path;
  try {
    plain = decodeURIComponent(path);
  } catch {
    // Not every percent sign starts a code.
  }
  return posix.basename(plain).replaceAll("\0", "") || "__unnamed__";
}

function gitSource(
  { place, keepGitDir }: Copy,
  reference: GitReference,
  url: string,
  checksum: string | undefined,
  options: PlanOptions,
): RemoteSource {
  const refuse = (message: string, part: string): never => {
    throw mistake(place, message, { part });
  };
  const kept = keepGitDir ?? reference.keepGitDir;
  if (reference.keepGitDir !== undefined && kept !== reference.keepGitDir) {
    refuse("inconsistent keep-git-dir configuration", url);
  }
  if (checksum !== undefined && !/^[0-9a-f]+$/i.test(checksum)) {
    refuse(`invalid checksum ${checksum} for Git source, expected hex commit hash`, checksum);
  }
  if (checksum !== undefined && reference.checksum !== undefined && checksum !== reference.checksum) {
    refuse(
      `checksum mismatch ${JSON.stringify(checksum)} != ${JSON.stringify(reference.checksum)}`,
      checksum,
    );
  }
  const wanted = checksum ?? reference.checksum;
  const request = {
    ...reference,
    ...(kept === undefined ? {} : { keepGitDir: kept }),
    ...(wanted === undefined ? {} : { checksum: wanted }),
  };
  const { environment, cacheDirectory, secret, agent } = options;
  const given = { environment, cacheDirectory, secret, ...(agent === undefined ? {} : { agent }) };
  const local = { ...given, at: pointAt(place, url) };
  return {
    step: gitStep(request, local, `fetch ${reference.shortName}`),
    source: { path: "/", unpack: false, exact: true },
  };
}
