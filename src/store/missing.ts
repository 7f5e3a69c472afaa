import { explainSystemError, isSystemError, makeDirectories } from "../io/index.ts";

/** Does what needs a directory, which is made when it turns out to be missing. */
export async function withDirectory<T>(directory: string, act: () => T): Promise<T> {
  try {
    return act();
  } catch (error) {
    if (!isMissing(error)) throw error;
    await makeDirectories(directory);
    return act();
  }
}

/** Whether a system error says that something is not there. */
export function isMissing(error: unknown): boolean {
  return isSystemError(error) && error.code === "ENOENT";
}

/** For directories that are made when first needed. */
export function emptyWhenMissing(error: unknown): string[] {
  if (isMissing(error)) return [];
  throw explainSystemError(error, "list a directory");
}
