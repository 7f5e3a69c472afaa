import { type IgnoreMatcher, ignoreMatcher, parseIgnoreFile } from "./ignore.ts";

/** A `.dockerignore` that was read. */
export interface IgnoreFile {
  readonly matcher: IgnoreMatcher;
  /** What leaves a path out, for a person: `.dockerignore:3 (*.md)`; undefined for a path that stays. */
  explain(path: string): string | undefined;
}

/**
 * Reads a `.dockerignore`.
 *
 * @param file - its name, for messages
 * @throws WhittleError `DOCKERFILE_INVALID`
 */
export function readIgnoreFile(source: string, file: string): IgnoreFile {
  const matcher = ignoreMatcher(parseIgnoreFile(source, file), file);
  return {
    matcher,
    explain(path) {
      const pattern = matcher.deciding(path);
      if (pattern === undefined) return undefined;
      const lines = source.split("\n");
      const line = lines.findLastIndex((text) => parseIgnoreFile(text, file).includes(pattern));
      return `${file}${line < 0 ? "" : `:${line + 1}`} (${lines[line]?.trim() ?? pattern})`;
    },
  };
}
