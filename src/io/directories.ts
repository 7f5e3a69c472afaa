import { mkdirSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { isSystemError } from "./errors.ts";

/**
 * Makes a directory and those above it; one that is there is left as it is. Node's own recursive `mkdir` goes
 * round for ever where a parent exists and will not have children, as `/proc`.
 *
 * @throws the system's error
 */
export async function makeDirectories(path: string, mode?: number): Promise<void> {
  try {
    // At once: mostly it is one that takes no time.
    mkdirSync(path, mode);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code === "EEXIST" || error.code === "EISDIR") {
      if ((await stat(path)).isDirectory()) return;
      throw error;
    }
    const above = dirname(path);
    if (error.code !== "ENOENT" || above === path) throw error;
    // Where the parent is there, somebody made it just now, or it has no room for children: the next try tells.
    if (!(await isDirectory(above))) await makeDirectories(above, mode);
    await mkdir(path, mode).catch(async (second: unknown) => {
      // Somebody else was quicker.
      if (!(isSystemError(second) && second.code === "EEXIST" && (await isDirectory(path)))) throw second;
    });
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}
