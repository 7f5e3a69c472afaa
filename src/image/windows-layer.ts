import type { MemberDetails } from "../tar/index.ts";
import { attributes, type Entry, type TreePath } from "../tree/index.ts";
import { rights } from "./windows-rights.ts";

/** Where a layer of a Windows image has its files; what else it has is not of the file system. */
export const windowsFiles = "/Files";

/** The places that every layer of a Windows image has, and its files below one of them. */
export function windowsEntries(
  entries: readonly (readonly [TreePath, Entry])[],
  mtime: number,
): (readonly [TreePath, Entry])[] {
  const directory: Entry = { type: "directory", ...attributes(0, { mtime }) };
  return [
    [windowsFiles, directory],
    ...entries.map(([path, entry]) => [`${windowsFiles}${path}`, entry] as const),
    ["/Hives", directory],
  ];
}

/**
 * What the header of a member says in a layer of a Windows image: the type of file in the mode's upper bits, the
 * attributes, a security descriptor and the time of creation as PAX records. Windows takes a layer apart by these
 * (hcsshim, `ociwclayer`; BuildKit writes the same).
 */
export function windowsDetails(entry: Entry, path: TreePath, isLink: boolean): MemberDetails {
  const records: [string, string][] = [];
  const kind = isLink ? undefined : entry.type;
  if (kind === "directory") records.push(["MSWINDOWS.fileattr", "16"]);
  if (kind === "file") records.push(["MSWINDOWS.fileattr", "32"]);
  const own = path.startsWith(`${windowsFiles}/`);
  if (own && (kind === "directory" || kind === "file")) records.push(["MSWINDOWS.rawsd", rights[kind]]);
  const seconds = Math.floor(entry.mtime);
  const nanoseconds = Math.round((entry.mtime - seconds) * 1e9);
  records.push(["LIBARCHIVE.creationtime", `${seconds}.${nanoseconds}`]);
  const type = kind === "directory" ? 0o40000 : kind === "file" ? 0o100000 : 0;
  return { records, mode: type };
}
