import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type Environment, makeDirectories, WhittleError } from "../io/index.ts";
import { removeDirectoryAs } from "./fill.ts";
import { asNamespaceRoot, choosePrivilege } from "./privilege.ts";
import { runQuietly } from "./signal.ts";
import { stepsDirectory } from "./step-directory.ts";

/** A copy that may be written to. */
export interface ScratchCopy {
  readonly path: string;
  /** Removes it. */
  discard(): Promise<void>;
}

/**
 * Copies a file or directory with its owners, sharing the bytes where the file system can.
 *
 * @throws WhittleError `ENVIRONMENT` when it cannot be copied
 */
export async function scratchCopy(source: string, environment: Environment): Promise<ScratchCopy> {
  const privilege = await choosePrivilege(environment);
  const directory = join(stepsDirectory(environment), `copy-${randomBytes(8).toString("hex")}`);
  await makeDirectories(directory);
  const discard = (): Promise<void> => removeDirectoryAs(directory, privilege);
  const path = join(directory, "copy");
  const line = [...asNamespaceRoot(privilege), "cp", "-a", "--reflink=auto", "--", source, path];
  if ((await runQuietly(line)) === 0) return { path, discard };
  await discard();
  throw new WhittleError("ENVIRONMENT", `Cannot copy ${source} to ${path}: cp failed`, {
    hint: "there may be too little space on the device",
  });
}
