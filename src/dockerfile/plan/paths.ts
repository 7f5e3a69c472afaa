import { posix } from "node:path";
import { invalid } from "../place.ts";

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

/**
 * A path as a platform writes it, with slashes: in images of Windows `C:` is left out and backslashes separate.
 *
 * @throws WhittleError `DOCKERFILE_INVALID` for other drives, and for other machines' shares
 */
export function slashedPath(os: string, path: string): string {
  if (os !== "windows") return path;
  const slashed = path.replaceAll("\\", "/");
  if (slashed.startsWith("//")) throw invalid(`Cannot use ${path}: UNC paths are not supported`);
  const [, drive, rest] = /^([^:]*):(.*)$/s.exec(slashed) ?? [];
  if (drive === undefined || rest === undefined) return slashed;
  if (drive.toLowerCase() === "c" && rest !== "") return rest.startsWith("/") ? rest : `/${rest}`;
  throw invalid(`Cannot use ${path}: it is no path on the system drive (C:)`);
}
