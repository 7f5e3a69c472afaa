import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { explainSystemError, WhittleError } from "../io/index.ts";

/**
 * Makes a directory for what is needed for a moment only.
 *
 * @param parent - by default the system's place for such, `$TMPDIR` or `/tmp`
 * @throws WhittleError `NOT_FOUND`, `PERMISSION`, `DISK_FULL`
 */
export async function makeTemporary(parent: string = tmpdir()): Promise<string> {
  try {
    return await mkdtemp(join(parent, "whittle-"));
  } catch (error) {
    const explained = explainSystemError(error, `make a temporary directory in ${parent}`);
    if (!(explained instanceof WhittleError)) throw explained;
    const hint = "choose another place for temporary files with TMPDIR";
    throw new WhittleError(explained.code, explained.message.replace(/ \([^)]*\)(?=: )/, ""), {
      hint,
      cause: error,
    });
  }
}
