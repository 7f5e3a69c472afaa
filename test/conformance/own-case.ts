import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { chmod, copyFile, cp, lstat, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { RecordedImage } from "./recording.ts";

/** What is beside a Dockerfile in `case.json`; all of it may be absent. */
export interface CaseOptions {
  /** Flags of the build, the same for docker and for us. */
  readonly arguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** What the message of a build that fails has to name, whoever says it. */
  readonly says?: readonly string[];
  /** Images that are built first: their names, with the Dockerfile of each and flags of its build after it. */
  readonly bases?: Readonly<Record<string, string>>;
  /** Why docker cannot record it: what is expected was written by hand, from the Dockerfile reference. */
  readonly unrecorded?: string;
  /** Whether it is also built by an ordinary user. */
  readonly rootless?: boolean;
}

/** What docker made of a case; of a build that fails, the end of what it said. */
export interface Expected {
  readonly status: number;
  readonly error?: string;
  readonly images?: readonly (RecordedImage & { readonly platform: string })[];
}

/** A Dockerfile of ours with its context and what docker made of it. */
export interface OwnCase extends CaseOptions {
  readonly name: string;
  readonly directory: string;
  readonly expected: Expected | undefined;
}

/** Where the cases are: those of the repository, or of a directory that is being tried. */
export const casesDirectory = process.env["WHITTLE_CONFORMANCE_CASES"] ?? join(import.meta.dirname, "cases");

/** All cases, by name. */
export async function ownCases(): Promise<OwnCase[]> {
  const names = (await readdir(casesDirectory)).sort();
  return names.map((name) => {
    const directory = join(casesDirectory, name);
    const options = (readJson(join(directory, "case.json")) ?? {}) as CaseOptions;
    const expected = readJson(join(directory, "expected.json")) as Expected | undefined;
    return { ...options, name, directory, expected };
  });
}

function readJson(file: string): unknown {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

const notCopied = [".gitattributes", "case.json", "expected.json", "prepare.sh"];

/**
 * Lays a case out: its Dockerfiles and the files of `context/` in `context/`, other directories beside it, with the
 * modes that git knows, whatever this checkout's umask. `prepare.sh` then makes what git cannot hold.
 *
 * @returns the words of a build that is run in `to`
 */
export async function layOut(one: OwnCase, to: string): Promise<string[]> {
  await rm(to, { recursive: true, force: true });
  await mkdir(join(to, "context"), { recursive: true });
  for (const name of await readdir(one.directory)) {
    if (notCopied.includes(name)) continue;
    const from = join(one.directory, name);
    if ((await lstat(from)).isDirectory()) {
      await cp(from, join(to, name), { recursive: true, verbatimSymlinks: true });
    } else await copyFile(from, join(to, "context", name));
  }
  await plainModes(to);
  const prepare = join(one.directory, "prepare.sh");
  if (existsSync(prepare))
    execFileSync("sh", ["-euc", `umask 022\n. ${prepare}`], { cwd: to, stdio: "inherit" });
  const { arguments: words = [] } = one;
  return [...(words.includes("-f") ? [] : ["-f", "context/Dockerfile"]), ...words, "context"];
}

async function plainModes(path: string): Promise<void> {
  const stat = await lstat(path);
  if (stat.isSymbolicLink()) return;
  await chmod(path, stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o755 : 0o644);
  if (!stat.isDirectory()) return;
  for (const name of await readdir(path)) await plainModes(join(path, name));
}

/** The environment that a case is built in: the caller's, with what the case sets. */
export function environmentOf(one: OwnCase): NodeJS.ProcessEnv {
  const { SOURCE_DATE_EPOCH: _epoch, ...rest } = process.env;
  return { ...rest, ...one.environment };
}
