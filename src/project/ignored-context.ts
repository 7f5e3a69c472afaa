import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { FilteredContext } from "../build/index.ts";
import { readIgnoreFile } from "../dockerfile/index.ts";
import { explainSystemError, isSystemError } from "../io/index.ts";

/** A directory with what its `.dockerignore` leaves out of it. */
export interface IgnoredContext {
  readonly filtered: FilteredContext;
  /** The rule that leaves a path out, for a person. */
  readonly hidden?: (path: string) => string | undefined;
  /** Whether a path is left out for sure; not told when some rule takes things back. */
  readonly leftOut?: (path: string) => boolean;
}

/** The lock that builds write into a context is no part of it, unless its `.dockerignore` says `!whittle.lock`. */
const lockName = "whittle.lock";

/**
 * A directory as a context.
 *
 * @param before - files that count in place of the directory's `.dockerignore`, the first that is there
 * @throws WhittleError `DOCKERFILE_INVALID` for a pattern that is none, `PERMISSION`
 */
export async function ignoredContext(
  directory: string,
  before: readonly string[],
  cacheDirectory: string,
): Promise<IgnoredContext> {
  const filtered = { directory, cacheDirectory };
  for (const file of [...before, join(directory, ".dockerignore")]) {
    const text = await readFile(file, "utf8").catch((error: unknown) => {
      if (isSystemError(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
      throw explainSystemError(error, `read ${file}`);
    });
    if (text === undefined) continue;
    const { matcher, explain } = readIgnoreFile(text, dirname(file) === directory ? basename(file) : file);
    const lockWanted = matcher.patterns.includes(`!${lockName}`);
    return {
      filtered: {
        ...filtered,
        ignored: (path) => matcher.matches(path) || (path === lockName && !lockWanted),
        entered: (path) => matcher.couldMatchBelow(path),
      },
      hidden: explain,
      ...(matcher.patterns.some((pattern) => pattern.startsWith("!"))
        ? {}
        : { leftOut: (path: string) => matcher.matches(path) }),
    };
  }
  return { filtered: { ...filtered, ignored: (path) => path === lockName } };
}
