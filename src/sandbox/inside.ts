import { lstat, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";

const mostLinks = 40;
const mostBytes = 4 * 1024 * 1024;

/**
 * Reads a text file of an image's directory on disk. Links are followed as if the directory were the root, so
 * none leads out of it.
 *
 * @returns nothing when it is absent, no regular file or unreasonably large
 */
export async function readInside(rootfs: string, path: string): Promise<string | undefined> {
  const place = await resolveInside(rootfs, path);
  const about = place === undefined ? undefined : await stat(place).catch(() => undefined);
  if (place === undefined || about?.isFile() !== true || about.size > mostBytes) return undefined;
  return readFile(place, "utf8");
}

/** The place on disk that a path of the image comes to, with the directory as its root; nothing when absent. */
export async function resolveInside(rootfs: string, path: string): Promise<string | undefined> {
  const pending = path.split("/").reverse();
  const done: string[] = [];
  let links = 0;
  while (pending.length > 0) {
    const part = pending.pop() ?? "";
    if (part === "" || part === ".") continue;
    if (part === "..") {
      done.pop();
      continue;
    }
    const place = join(rootfs, ...done, part);
    const about = await lstat(place).catch(() => undefined);
    if (about === undefined) return undefined;
    if (!about.isSymbolicLink()) {
      done.push(part);
      continue;
    }
    if (++links > mostLinks) return undefined;
    const target = await readlink(place);
    if (target.startsWith("/")) done.length = 0;
    pending.push(...target.split("/").reverse());
  }
  return join(rootfs, ...done);
}
