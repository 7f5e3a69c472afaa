/** What the dynamic string tokens stand for (ld.so(8), "Dynamic string tokens"). */
export interface Tokens {
  /** The directory of the object that holds the text; absent where it is not known. */
  readonly ORIGIN?: string;
  readonly LIB: string;
  readonly PLATFORM: string;
}

// A bare name ends where an identifier would: `$LIBRARY` is no token (glibc, `is_dst`).
const token = /\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)(?![A-Za-z0-9_]))/g;

/**
 * Replaces `$ORIGIN`, `$LIB` and `$PLATFORM`, with or without braces.
 *
 * @returns `undefined` when it needs the origin and there is none
 */
export function expandTokens(text: string, tokens: Tokens): string | undefined {
  if (!text.includes("$")) return text;
  let known = true;
  const expanded = text.replace(token, (_all, braced?: keyof Tokens, bare?: keyof Tokens) => {
    const value = tokens[braced ?? bare ?? "LIB"];
    known &&= value !== undefined;
    return value ?? "";
  });
  return known ? expanded : undefined;
}

/**
 * The directories of a search list as the loader keeps them: tokens replaced, slashes at the end taken off,
 * each only once. A relative or empty part means the current directory of whoever starts the program, which
 * nobody knows beforehand: it is left out.
 */
export function searchDirectories(parts: readonly string[], tokens: Tokens): string[] {
  const result = new Set<string>();
  for (const part of parts) {
    const expanded = expandTokens(part, tokens);
    if (expanded?.startsWith("/")) result.add(withoutSlash(expanded) || "/");
  }
  return [...result];
}

/** A path without the slashes at its end. */
export function withoutSlash(path: string): string {
  let end = path.length;
  while (path[end - 1] === "/") end--;
  return path.slice(0, end);
}
