import { posix } from "node:path";

/**
 * A path made absolute against a directory and cleaned. A trailing slash, or `/.`, which says that a directory is
 * meant, stays when asked for.
 */
export function normalized(directory: string, path: string, slash: "keep slash" | "no slash"): string {
  const clean = posix.normalize(path.startsWith("/") ? path : `${directory || "/"}/${path}`);
  const bare = clean.length > 1 ? clean.replace(/\/+$/, "") : clean;
  const rooted = bare.startsWith("/") ? bare : `/${bare}`;
  if (slash === "no slash" || rooted === "/") return rooted;
  if (path.endsWith("/")) return `${rooted}/`;
  return path.endsWith("/.") ? `${rooted}/.` : rooted;
}

/** The destination of a COPY or ADD: relative to the working directory, which `.` and nothing mean themselves. */
export function destinationPath(workingDirectory: string, path: string): string {
  return normalized(workingDirectory, path === "." || path === "" ? "./" : path, "keep slash");
}
